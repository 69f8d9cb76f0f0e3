// SPDX-License-Identifier: Apache-2.0
// Small files and durable writes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace msn {

/// The whole file as text. Throws data_error if it cannot be read or is larger than `limit` bytes.
std::string read_text(const std::filesystem::path& file, std::size_t limit = std::size_t{1} << 28);

/// Replaces `file` by `text` so that a reader sees the old or the new content, never a part, also after a crash:
/// written beside, fsynced, renamed, folder fsynced.
void write_durably(const std::filesystem::path& file, std::string_view text);

/// Likewise, but without waiting for the disk: a machine that goes down may leave an empty file. `beside` is the ending
/// of the name under which it is written first; writers of the same file that know nothing of each other need their
/// own.
void replace_text(const std::filesystem::path& file, std::string_view text, std::string_view beside = ".tmp");

/// fsync of a file or a folder, by path.
void sync_path(const std::filesystem::path& path);

/// Renames and makes the new name durable (fsync of the parent folder).
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

/// A file descriptor that closes itself.
class FileHandle {
 public:
  FileHandle() = default;
  /// `flags` as for open(2). Throws data_error.
  FileHandle(const std::filesystem::path& file, int flags, unsigned mode = 0640);
  ~FileHandle();
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;

  int get() const noexcept { return fd_; }
  const std::filesystem::path& path() const noexcept { return path_; }

  /// Reads exactly `into.size()` bytes at `offset`. Throws data_error if the file ends before.
  void read_at(std::span<std::byte> into, std::size_t offset) const;
  /// Writes all of `from` at `offset`. Throws data_error.
  void write_at(std::span<const std::byte> from, std::size_t offset) const;
  void sync() const;
  std::size_t size() const;

 private:
  int fd_ = -1;
  std::filesystem::path path_;
};

}  // namespace msn
