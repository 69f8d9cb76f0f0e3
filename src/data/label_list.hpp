// SPDX-License-Identifier: Apache-2.0
// A label list: which images may be used with their labels (docs/formats.md). A text file of one image a line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace msn {

struct LabelListEntry {
  std::string name;        ///< The image's name in its data set.
  std::string class_name;  ///< Empty if the list does not say.
  std::size_t line = 0;    ///< Where it stood when it was read, from 1.
};

struct LabelList {
  /// What the header says. A list that people or other programs wrote has none of these.
  std::string data_set;
  std::string fingerprint;
  std::optional<std::uint64_t> per_class;
  std::optional<std::uint64_t> seed;

  std::vector<LabelListEntry> entries;
};

std::string label_list_text(const LabelList& list);

/// Parses a text; `where` is used in messages. The class may be left out of a line. Throws data_error, with the line,
/// for text that is not UTF-8, a header of a newer version, a broken quotation, more than two fields, an empty name, a
/// name that comes twice, and a list without images.
LabelList parse_label_list(std::string_view text, const std::string& where);

/// parse_label_list of a file. Throws data_error also if it cannot be read.
LabelList read_label_list(const std::filesystem::path& file);

}  // namespace msn
