// SPDX-License-Identifier: Apache-2.0
#include "evaluate/task.hpp"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <iterator>

#include "base/error.hpp"
#include "base/log.hpp"
#include "data/sample_names.hpp"
#include "data/subset.hpp"

namespace msn {
namespace {

std::unique_ptr<DataSet> open_labelled(const std::filesystem::path& path) {
  auto set = std::make_unique<DataSet>(path);
  if (set->manifest().classes.empty()) {
    throw data_error("the data set has no labels", path.string(), "pack it with --labels folders");
  }
  if (set->count() == 0) throw data_error("the data set has no images", path.string(), "pack some");
  return set;
}

void fill_labels(LabelledImages& images) {
  for (const std::uint64_t sample : images.samples) {
    images.labels.push_back(images.set->label(sample));
    if (images.labels.back() < 0) {
      throw data_error("the image has no label", images.set->describe(sample),
                       "pack the data set with labels for all, or name those that have one: --labels LIST");
    }
  }
}

LabelledImages every_nth(const std::filesystem::path& path, std::uint64_t stride) {
  LabelledImages images;
  images.set = open_labelled(path);
  for (std::uint64_t sample = 0; sample < images.set->count(); sample += stride)
    images.samples.push_back(sample);
  fill_labels(images);
  return images;
}

/// The first class whose name differs, for people.
std::string difference(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.size() != b.size()) return std::to_string(a.size()) + " and " + std::to_string(b.size());
  const auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin());
  return "\"" + one_line(*left) + "\" and \"" + one_line(*right) + "\" as number " +
         std::to_string(std::distance(a.begin(), left));
}

void check_classes(const ClassificationTask& task, const TaskOptions& options) {
  const std::vector<std::string>& other = task.test.set->manifest().classes;
  if (task.classes == other) return;
  throw data_error("the two data sets have different classes: " + difference(task.classes, other),
                   options.train.string() + " and " + options.test.string(),
                   "pack both from folders with the same class names");
}

void check_every_class_is_in(const ClassificationTask& task, const Split& split, const TaskOptions& options) {
  std::vector<bool> seen(task.classes.size());
  for (const std::int32_t label : task.labels_of(split))
    seen[static_cast<std::size_t>(label)] = true;
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing == seen.end()) return;
  const auto more = std::count(missing + 1, seen.end(), false);
  throw data_error("the class " + one_line(task.classes[static_cast<std::size_t>(missing - seen.begin())]) +
                       " has no training image" +
                       (more > 0 ? ", nor have " + std::to_string(more) + " more" : std::string()),
                   split.name.empty() ? options.train.string() : split.name,
                   split.name.empty() ? "take more images: a smaller --train-stride" : "list an image of every class");
}

/// The samples of every list, and the union of them all in `train`.
void read_lists(ClassificationTask& task, const TaskOptions& options) {
  const NameIndex names(*task.train.set);
  std::vector<std::vector<std::uint64_t>> samples;
  for (const std::filesystem::path& file : options.label_lists) {
    const LabelList list = read_label_list(file);
    if (!list.fingerprint.empty() && list.fingerprint != task.train.set->manifest().fingerprint) {
      log::warn(file.string() + " was drawn from another data set than " + options.train.string() +
                "; its images are looked up by name");
    }
    samples.push_back(samples_of_list(*task.train.set, names, list, file.string()));
    task.train.samples.insert(task.train.samples.end(), samples.back().begin(), samples.back().end());
  }
  std::vector<std::uint64_t>& all = task.train.samples;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  fill_labels(task.train);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    Split split{options.label_lists[i].string(), {}};
    for (const std::uint64_t sample : samples[i])
      split.rows.push_back(std::lower_bound(all.begin(), all.end(), sample) - all.begin());
    task.splits.push_back(std::move(split));
  }
}

ClassificationTask open_here(const TaskOptions& options) {
  ClassificationTask task;
  if (options.label_lists.empty()) {
    task.train = every_nth(options.train, options.train_stride);
    Split all;
    for (std::size_t row = 0; row < task.train.samples.size(); ++row)
      all.rows.push_back(static_cast<std::int64_t>(row));
    task.splits.push_back(std::move(all));
  } else {
    task.train.set = open_labelled(options.train);
    read_lists(task, options);
  }
  task.classes = task.train.set->manifest().classes;
  task.test = every_nth(options.test, options.test_stride);
  check_classes(task, options);
  for (const Split& split : task.splits)
    check_every_class_is_in(task, split, options);
  return task;
}

}  // namespace

at::Tensor Split::rows_of(const at::Tensor& features) const {
  if (name.empty()) return features;
  auto* raw = const_cast<std::int64_t*>(rows.data());  // Only read.
  return features.index_select(0, at::from_blob(raw, {static_cast<std::int64_t>(rows.size())}, at::kLong));
}

std::vector<std::int32_t> ClassificationTask::labels_of(const Split& split) const {
  std::vector<std::int32_t> labels;
  labels.reserve(split.rows.size());
  for (const std::int64_t row : split.rows)
    labels.push_back(train.labels[static_cast<std::size_t>(row)]);
  return labels;
}

LabelledSamples ClassificationTask::samples_of(const Split& split) const {
  LabelledSamples samples{{}, labels_of(split)};
  for (const std::int64_t row : split.rows)
    samples.samples.push_back(train.samples[static_cast<std::size_t>(row)]);
  return samples;
}

ClassificationTask open_task(const World& world, const TaskOptions& options) {
  ClassificationTask task;
  world.agree([&] { task = open_here(options); });
  return task;
}

}  // namespace msn
