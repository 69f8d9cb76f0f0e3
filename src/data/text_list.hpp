// SPDX-License-Identifier: Apache-2.0
// Lists that people and scripts write: images with labels.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace msn {

struct ListLine {
  std::string name;
  std::optional<std::string> label;
  std::size_t number = 0;  ///< Of the line, from 1.
};

/// Reads "NAME" or "NAME,LABEL" a line, in UTF-8. The last comma separates; a name that holds a comma or begins with #
/// stands in double quotes, a quote inside doubled. Blanks around name and label, empty lines and lines that begin with
/// # do not count. Throws data_error, with file and line, for anything else and for a list without a line.
std::vector<ListLine> read_list(const std::filesystem::path& file);

/// `text` as a field that read_list takes back.
std::string list_field(std::string_view text);

}  // namespace msn
