// SPDX-License-Identifier: Apache-2.0
#include "data/sample_names.hpp"

#include <iterator>

#include "base/error.hpp"

namespace msn {

std::vector<std::string> sample_names(const DataSet& set) {
  std::vector<std::string> names;
  names.reserve(set.count());
  for (const Shard& shard : set.shards()) {
    std::vector<std::string> some = shard.names();
    if (some.size() != shard.count()) {
      throw data_error(
          "the shard has " + std::to_string(some.size()) + " names for " + std::to_string(shard.count()) + " images",
          shard.path().string(), "copy it again or pack the images again");
    }
    names.insert(names.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return names;
}

NameIndex::NameIndex(const DataSet& set) : folder_(set.folder().string()), names_(sample_names(set)) {
  const auto note = [](Table& table, std::string_view key, std::uint64_t sample) {
    Found& found = table.try_emplace(key, Found{sample, 0}).first->second;
    ++found.count;
  };
  for (std::uint64_t sample = 0; sample < names_.size(); ++sample) {
    const std::string_view name = names_[sample];
    note(whole_, name, sample);
    note(last_part_, name.substr(name.rfind('/') + 1), sample);
  }
}

std::uint64_t NameIndex::find(const std::string& name, const std::string& where) const {
  auto found = whole_.find(name);
  if (found == whole_.end() && name.find('/') == std::string::npos) {
    found = last_part_.find(name);
    if (found == last_part_.end()) found = whole_.end();
  }
  if (found == whole_.end()) {
    throw data_error("no image of " + folder_ + " is named \"" + one_line(name) + "\"", where,
                     "names are those that the images were packed under, below the input folder");
  }
  if (found->second.count > 1) {
    throw data_error(
        std::to_string(found->second.count) + " images of " + folder_ + " are named \"" + one_line(name) + "\"", where,
        "write more of the path, or pack images of equal names from folders of different names");
  }
  return found->second.sample;
}

}  // namespace msn
