// SPDX-License-Identifier: Apache-2.0
// Images by name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/dataset.hpp"

namespace msn {

/// Names of all samples, in order. Throws data_error if a shard has not one for each image.
std::vector<std::string> sample_names(const DataSet& set);

/// Finds samples by name.
class NameIndex {
 public:
  explicit NameIndex(const DataSet& set);
  NameIndex(const NameIndex&) = delete;  // The tables look into names_.
  NameIndex& operator=(const NameIndex&) = delete;

  const std::string& name(std::uint64_t sample) const { return names_.at(sample); }

  /// The sample of this whole name, or, if `name` has no slash and no image bears it whole, the one whose last part it
  /// is: lists of others often leave out the folders. Throws data_error, with `where`, if there is none or more than
  /// one.
  std::uint64_t find(const std::string& name, const std::string& where) const;

 private:
  struct Found {
    std::uint64_t sample = 0;
    std::uint64_t count = 0;
  };
  using Table = std::unordered_map<std::string_view, Found>;  ///< Keys look into names_.

  std::string folder_;
  std::vector<std::string> names_;
  Table whole_;
  Table last_part_;
};

}  // namespace msn
