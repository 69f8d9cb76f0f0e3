// SPDX-License-Identifier: Apache-2.0
#include "data/subset.hpp"

#include <algorithm>
#include <map>

#include "base/error.hpp"
#include "base/random.hpp"

namespace msn {

namespace {

void check_labels(const DataSet& set) {
  if (set.manifest().classes.empty()) {
    throw data_error("the data set has no labels", set.folder().string(), "pack it from class folders");
  }
}

/// members[c]: the samples of class c, in order.
std::vector<std::vector<std::uint64_t>> members_of_classes(const DataSet& set) {
  std::vector<std::vector<std::uint64_t>> members(set.manifest().classes.size());
  for (std::uint64_t sample = 0; sample < set.count(); ++sample) {
    if (const std::int32_t label = set.label(sample); label >= 0) {
      members[static_cast<std::size_t>(label)].push_back(sample);
    }
  }
  return members;
}

void check_sizes(const DataSet& set, const std::vector<std::vector<std::uint64_t>>& members, std::uint64_t per_class) {
  std::size_t short_classes = 0, first = 0;
  for (std::size_t c = members.size(); c-- > 0;) {
    if (members[c].size() >= per_class) continue;
    first = c;
    ++short_classes;
  }
  if (short_classes == 0) return;
  throw data_error("the class " + one_line(set.manifest().classes[first]) + " has " +
                       std::to_string(members[first].size()) + " images, fewer than " + std::to_string(per_class) +
                       (short_classes > 1 ? ", and " + std::to_string(short_classes - 1) + " more classes have too few"
                                          : std::string()),
                   set.folder().string(), "ask for fewer images a class");
}

LabelList list_samples(const DataSet& set, const NameIndex& names, std::vector<std::uint64_t> samples) {
  std::sort(samples.begin(), samples.end());
  LabelList list;
  list.data_set = set.manifest().name;
  list.fingerprint = set.manifest().fingerprint;
  for (const std::uint64_t sample : samples) {
    const auto label = static_cast<std::size_t>(set.label(sample));
    list.entries.push_back({names.name(sample), set.manifest().classes[label], list.entries.size() + 1});
  }
  return list;
}

/// The samples of the entries, in their order.
std::vector<std::uint64_t> find_samples(const DataSet& set, const NameIndex& names, const LabelList& wanted,
                                        const std::string& where) {
  check_labels(set);
  std::vector<std::uint64_t> samples;
  std::map<std::uint64_t, std::size_t> lines;
  for (const LabelListEntry& entry : wanted.entries) {
    const std::string place = where + ":" + std::to_string(entry.line);
    const std::uint64_t sample = names.find(entry.name, place);
    const std::int32_t label = set.label(sample);
    if (label < 0) throw data_error("the image " + one_line(entry.name) + " has no label", place);
    const std::string& class_name = set.manifest().classes[static_cast<std::size_t>(label)];
    if (!entry.class_name.empty() && entry.class_name != class_name) {
      throw data_error("the image " + one_line(entry.name) + " is of class " + one_line(class_name) + ", not " +
                           one_line(entry.class_name),
                       place, "correct the list, or give the data set that it was made for");
    }
    if (const auto [earlier, is_new] = lines.emplace(sample, entry.line); !is_new) {
      throw data_error("the image " + one_line(names.name(sample)) + " is on line " + std::to_string(earlier->second) +
                           " already, under another name",
                       place);
    }
    samples.push_back(sample);
  }
  return samples;
}

}  // namespace

LabelList draw_subset(const DataSet& set, std::uint64_t per_class, std::uint64_t seed) {
  MSN_CHECK(per_class > 0);
  check_labels(set);
  const auto members = members_of_classes(set);
  check_sizes(set, members, per_class);
  const NameIndex names(set);
  std::vector<std::uint64_t> samples;
  for (std::size_t c = 0; c < members.size(); ++c) {
    RandomStream stream(seed, set.manifest().classes[c], Purpose::subset);
    const auto order = stream.permutation(static_cast<std::uint32_t>(members[c].size()));
    for (std::uint64_t i = 0; i < per_class; ++i) {
      const std::uint64_t sample = members[c][order[i]];
      names.find(names.name(sample), set.folder().string());  // Throws if the name is not its own.
      samples.push_back(sample);
    }
  }
  LabelList list = list_samples(set, names, std::move(samples));
  list.per_class = per_class;
  list.seed = seed;
  return list;
}

LabelList pick_subset(const DataSet& set, const LabelList& wanted, const std::string& where) {
  const NameIndex names(set);
  return list_samples(set, names, find_samples(set, names, wanted, where));
}

std::vector<std::uint64_t> samples_of_list(const DataSet& set, const NameIndex& names, const LabelList& list,
                                           const std::string& where) {
  std::vector<std::uint64_t> samples = find_samples(set, names, list, where);
  std::sort(samples.begin(), samples.end());
  return samples;
}

}  // namespace msn
