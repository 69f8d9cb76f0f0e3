// SPDX-License-Identifier: Apache-2.0
// Reading safetensors files: u64 little-endian length of the header, the header (JSON: name -> dtype, shape,
// data_offsets; optional "__metadata__"), then the bytes of the tensors (github.com/huggingface/safetensors).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.hpp"

namespace msn {

/// Bytes of one element of a dtype of the format; nullopt for a dtype that is not known.
std::optional<std::uint64_t> safetensors_element_bytes(std::string_view dtype);

struct SafetensorsEntry {
  std::string name;
  std::string dtype;  ///< One of the format's names, for instance "F32" or "BF16".
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  ///< First byte, counted from the end of the header.
  std::uint64_t bytes = 0;
};

/// An open file whose header has been checked whole: its length is possible (at most 16 MiB), it is JSON without a name
/// twice, and the tensors fill the rest of the file, each with the bytes its shape needs, without overlap or hole.
class SafetensorsFile {
 public:
  /// Throws data_error for a file that cannot be read or is damaged, config_error for a dtype that is not known.
  explicit SafetensorsFile(const std::filesystem::path& file);

  /// In the order of the header.
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  /// The tensor's bytes, row-major, little-endian. Throws data_error.
  std::vector<std::byte> read(const SafetensorsEntry& entry) const;

 private:
  FileHandle file_;
  std::uint64_t data_begin_ = 0;
  std::vector<SafetensorsEntry> entries_;
};

}  // namespace msn
