// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.hpp"
#include "data/names.hpp"
#include "data/source_listing.hpp"
#include "data/text_list.hpp"

namespace msn {

namespace {

constexpr std::int32_t most_classes = 1'000'000;

/// A label as a number: digits without a leading zero. Longer ones than fit are names.
std::optional<std::int32_t> as_number(const std::string& label) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), value);
  if (error != std::errc{} || end != label.data() + label.size() || value < 0) return std::nullopt;
  if (label.size() > 1 && label.front() == '0') return std::nullopt;
  return value;
}

/// Labels of all images as numbers of classes in the order of first use.
struct Labelling {
  std::vector<std::int32_t> label;
  std::vector<std::string> classes;
  bool from_lists = true;  ///< Every class was named by a list.
};

Labelling label_by_file(const Sources& sources, const std::filesystem::path& file, std::uint64_t& unused) {
  std::unordered_map<std::string, std::pair<std::string, std::size_t>> label_of;  // Label and line.
  for (ListLine& line : read_list(file)) {
    const std::string where = file.string() + ":" + std::to_string(line.number);
    if (!line.label) throw data_error("a line without a label", where, "write NAME,LABEL");
    const std::string name = plain_path(line.name).value_or(line.name);
    const auto [place, is_new] = label_of.try_emplace(name, *line.label, line.number);
    if (!is_new && place->second.first != *line.label) {
      throw data_error("\"" + name + "\" has another label than in line " + std::to_string(place->second.second), where,
                       "keep one of the two");
    }
  }
  Labelling result;
  ClassTable classes;
  std::size_t missing = 0, used = 0;
  const SourceItem* first_missing = nullptr;
  for (const SourceItem& item : sources.items) {
    const auto found = label_of.find(item.name);
    result.label.push_back(found == label_of.end() ? -1 : classes.add(found->second.first));
    if (found != label_of.end()) {
      used += found->second.second != 0;
      found->second.second = 0;
    } else if (item.problem.empty() && missing++ == 0) {
      first_missing = &item;
    }
  }
  if (missing > 0) {
    throw data_error("the label file does not name \"" + first_missing->name + "\"" +
                         (missing > 1 ? " and " + std::to_string(missing - 1) + " more images" : ""),
                     file.string(), "names in it are paths below the input folder or inside the tar");
  }
  unused = label_of.size() - used;
  result.classes = classes.take();
  return result;
}

Labelling label_by_listings(const Sources& sources, const std::vector<Listing>& listings, Labels rule) {
  Labelling result;
  ClassTable classes;
  const SourceItem* without = nullptr;
  for (const SourceItem& item : sources.items) {
    const Listing& listing = listings[item.input];
    std::string_view name;
    if (item.label >= 0) {
      name = listing.classes[static_cast<std::size_t>(item.label)];
    } else if (item.problem.empty() && (!listing.is_list || rule == Labels::folders)) {
      name = first_folder(item.name);
    }
    result.from_lists = result.from_lists && (name.empty() || (listing.is_list && item.label >= 0));
    result.label.push_back(name.empty() ? -1 : classes.add(name));
    if (name.empty() && item.problem.empty() && without == nullptr) without = &item;
  }
  result.classes = classes.take();
  if (without != nullptr && (rule == Labels::folders || !result.classes.empty())) {
    const bool listed = listings[without->input].is_list;
    throw data_error(listed ? "an image of the list has no label, others have one"
                            : "an image lies beside the class folders, so its class is unknown",
                     origin_of(sources, *without),
                     listed ? "write NAME,LABEL in every line, or pass --labels none"
                            : "move it into a class folder, or pass --labels none");
  }
  return result;
}

/// Gives the classes their final numbers: the labels themselves where lists give numbers, else in the order of names.
void number_classes(Sources& sources, Labelling labelling) {
  const std::size_t count = labelling.classes.size();
  std::vector<std::int32_t> number(count);
  const bool numbers = labelling.from_lists && count > 0 &&
                       std::all_of(labelling.classes.begin(), labelling.classes.end(),
                                   [](const std::string& name) { return as_number(name).has_value(); });
  if (numbers) {
    std::int32_t largest = 0;
    for (std::size_t c = 0; c < count; ++c)
      largest = std::max(largest, number[c] = *as_number(labelling.classes[c]));
    if (largest >= most_classes) {
      throw data_error("the label " + std::to_string(largest) + " is larger than " + std::to_string(most_classes - 1),
                       "labels", "number classes from 0");
    }
    for (std::int32_t c = 0; c <= largest; ++c)
      sources.classes.push_back(std::to_string(c));
  } else {
    sources.classes = labelling.classes;
    std::sort(sources.classes.begin(), sources.classes.end());
    for (std::size_t c = 0; c < count; ++c) {
      const auto place = std::lower_bound(sources.classes.begin(), sources.classes.end(), labelling.classes[c]);
      number[c] = static_cast<std::int32_t>(place - sources.classes.begin());
    }
  }
  for (std::size_t i = 0; i < sources.items.size(); ++i) {
    const std::int32_t label = labelling.label[i];
    sources.items[i].label = label < 0 ? -1 : number[static_cast<std::size_t>(label)];
  }
}

/// A list of numbers beside named classes: nobody can say which class a number means.
void refuse_mixture(const std::vector<Listing>& listings, const Labelling& labelling) {
  if (labelling.from_lists) return;
  for (const Listing& listing : listings) {
    const bool numbers = listing.is_list && !listing.classes.empty() &&
                         std::all_of(listing.classes.begin(), listing.classes.end(),
                                     [](const std::string& name) { return as_number(name).has_value(); });
    if (numbers) {
      throw data_error("a list gives classes as numbers, another input gives names", listing.given,
                       "write the names of the classes into the list, or pack apart");
    }
  }
}

}  // namespace

std::int32_t ClassTable::add(std::string_view name) {
  const auto place = numbers_.find(name);
  if (place != numbers_.end()) return place->second;
  const auto number = static_cast<std::int32_t>(names_.size());
  names_.emplace_back(name);
  numbers_.emplace(name, number);
  return number;
}

Sources unite(std::vector<Listing> listings, const SourceOptions& options) {
  Sources sources;
  for (std::size_t i = 0; i < listings.size(); ++i) {
    for (SourceItem& item : listings[i].items) {
      item.input = static_cast<std::uint32_t>(i);
      sources.items.push_back(std::move(item));
    }
    sources.inputs.push_back(listings[i].input);
    sources.ignored += listings[i].ignored;
  }
  Labelling labelling;
  if (!options.label_file.empty()) {
    labelling = label_by_file(sources, options.label_file, sources.labels_unused);
  } else if (options.labels != Labels::none) {
    labelling = label_by_listings(sources, listings, options.labels);
    refuse_mixture(listings, labelling);
  } else {
    labelling.label.assign(sources.items.size(), -1);
  }
  number_classes(sources, std::move(labelling));
  return sources;
}

}  // namespace msn
