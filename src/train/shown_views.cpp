// SPDX-License-Identifier: Apache-2.0
#include "train/shown_views.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/formatted.hpp"
#include "data/draw_text.hpp"
#include "data/masks.hpp"
#include "data/read_image.hpp"
#include "data/sampler.hpp"
#include "data/views.hpp"

namespace msn {

namespace {

constexpr int comfortable_side = 128;  ///< Pixels of a view that people can look at.

std::string name_of(const DataSet& set, std::uint64_t sample) {
  std::uint64_t index = sample;
  for (const Shard& shard : set.shards()) {
    if (index < shard.count()) {
      const std::vector<std::string> names = shard.names();
      return index < names.size() ? names[index] : "unnamed";
    }
    index -= shard.count();
  }
  throw internal_error("no such sample: " + std::to_string(sample));
}

std::string view_name(const ViewsConfig& views, int view) {
  if (view == 0) return "target";
  return view <= views.random ? "random " + std::to_string(view) : "focal " + std::to_string(view - views.random);
}

}  // namespace

ShownData open_shown_data(const Config& config) {
  ShownData data{open_training_data(config), {}};
  for (const TrainingSet& set : data.training.sets)
    data.sets.emplace_back(set.store->folder());
  return data;
}

ShownSample show_sample(const ShownData& data, const Config& config, std::uint64_t step, std::uint64_t index) {
  MSN_CHECK(index < static_cast<std::uint64_t>(config.train.global_batch));
  const Mixture& mixture = data.training.mixture;
  const StepShare share = share_of_step(step, mixture.epoch_images(), config.train.global_batch, 0, 1);
  ShownSample shown;
  shown.step = step;
  shown.epoch = share.epoch;
  shown.position = share.position + index;
  const Draw draw = mixture.at(shown.epoch, shown.position);
  const DataSet& set = data.sets[draw.set];
  shown.sample = draw.index;
  if (data.sets.size() > 1) shown.data_set = set.manifest().name;
  shown.name = name_of(set, shown.sample);
  shown.image = read_image(set, shown.sample);
  const VisiblePatches visible(config.views, config.model.patch_size, config.train.seed, config.train.global_batch);
  for (int v = 0; v < view_count(config.views); ++v) {
    const int size = view_size(config.views, v);
    ShownView view;
    view.name = view_name(config.views, v);
    view.parameters = draw_view(config.views, shown.image.width, shown.image.height,
                                {config.train.seed, shown.epoch, draw.key, static_cast<std::uint32_t>(v)});
    view.pixels = make_view(shown.image, view.parameters, size, config.views);
    view.patches = std::int64_t{visible.grid(v)} * visible.grid(v);
    view.kept = visible.of(v, shown.epoch, shown.position, draw.key);
    std::sort(view.kept.begin(), view.kept.end());
    shown.views.push_back(std::move(view));
  }
  return shown;
}

const char* operation_name(ColourOperation operation) {
  constexpr const char* names[] = {"brightness", "contrast", "saturation", "hue"};
  return names[static_cast<std::size_t>(operation)];
}

std::string describe_view(const ShownView& view) {
  const ViewParameters& p = view.parameters;
  std::string text = formatted("crop %dx%d at %d,%d", p.crop.width, p.crop.height, p.crop.left, p.crop.top);
  if (p.flip) text += "  flip";
  if (p.jitter) {
    for (const ColourOperation operation : p.order) {
      const auto i = static_cast<std::size_t>(operation);
      text += formatted(operation == ColourOperation::hue ? "  %s %+.3f" : "  %s %.3f", operation_name(operation),
                        p.factors[i]);
    }
  }
  if (p.grayscale) text += "  gray";
  if (p.blur) text += formatted("  blur %.2f", static_cast<double>(p.radius));
  const auto kept = static_cast<std::int64_t>(view.kept.size());
  if (kept < view.patches)
    text += "  sees " + std::to_string(kept) + " of " + std::to_string(view.patches) + " patches";
  return text;
}

std::string describe_sample(const ShownSample& sample) {
  const std::string of_set = sample.data_set.empty() ? "" : " of " + one_line(sample.data_set);
  return "sample " + std::to_string(sample.sample) + of_set + " " + one_line(sample.name) + "  " +
         std::to_string(sample.image.width) + "x" + std::to_string(sample.image.height) + "  step " +
         std::to_string(sample.step) + "  epoch " + std::to_string(sample.epoch) + "  position " +
         std::to_string(sample.position);
}

SheetRow sheet_row(const ShownSample& sample, const Config& config) {
  const int factor = std::max(1, comfortable_side / config.views.random_size);
  SheetRow row;
  row.tiles.push_back({"image", fit_into(sample.image, factor * config.views.random_size)});
  row.lines.push_back(printable(describe_sample(sample)));
  for (const ShownView& view : sample.views) {
    Image picture = to_image(view.pixels);
    dim_outside_patches(picture, config.model.patch_size, view.kept);
    row.tiles.push_back({view.name, enlarge(picture, factor)});
    row.lines.push_back(printable(view.name + ": " + describe_view(view)));
  }
  return row;
}

}  // namespace msn
