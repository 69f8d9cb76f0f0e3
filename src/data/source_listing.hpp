// SPDX-License-Identifier: Apache-2.0
// The parts of list_sources: one function for each kind of input.
#pragma once

#include <sys/stat.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/sources.hpp"

namespace msn {

/// One input, listed. Labels of items index `classes`; -1 stands for the first folder of the name, if it has one.
struct Listing {
  std::string given;  ///< As the user wrote it.
  SourceInput input;
  std::vector<SourceItem> items;
  std::vector<std::string> classes;  ///< In the order of first use.
  bool is_list = false;
  std::uint64_t ignored = 0;
};

/// Numbers classes in the order of first use.
class ClassTable {
 public:
  std::int32_t add(std::string_view name);
  std::vector<std::string> take() { return std::move(names_); }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::int32_t, std::less<>> numbers_;
};

Listing list_folder(const std::filesystem::path& folder);
Listing list_archive(const std::filesystem::path& file, int workers);
Listing list_list(const std::filesystem::path& file);
Listing list_generator(const std::string& input);

/// Turns what the listings say into one list with one set of classes, by the rules of list_sources.
Sources unite(std::vector<Listing> listings, const SourceOptions& options);

/// Time of the last change, in nanoseconds, as stat(2) gives it.
std::int64_t modified_ns(const struct stat& facts);

/// The name of an image as it is stored, or an escaped one and the problem. `plain` is a path without "." and "..".
void set_name(SourceItem& item, std::string plain);

}  // namespace msn
