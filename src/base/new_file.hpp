// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "base/files.hpp"

namespace msn {

/// A file that is written from its beginning to its end as FILE.tmp and takes its own name when it is whole, so that a
/// reader sees the old content or the new, never a part, also after a crash. Without finish() nothing is left of it.
/// Throws data_error where it cannot be written.
class NewFile {
 public:
  explicit NewFile(std::filesystem::path file);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void append(std::span<const std::byte> bytes);
  void append(std::string_view text);
  /// The next bytes go to `offset`, which lies not before the end; those between are zero.
  void skip_to(std::uint64_t offset);
  /// fsync, rename, fsync of the folder. Once, last.
  void finish();

 private:
  std::filesystem::path file_;
  std::filesystem::path beside_;
  FileHandle handle_;
  std::uint64_t size_ = 0;
  bool finished_ = false;
};

}  // namespace msn
