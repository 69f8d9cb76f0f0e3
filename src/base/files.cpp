// SPDX-License-Identifier: Apache-2.0
#include "base/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/new_file.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

void rename_over(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    throw system_error("cannot rename to " + to.string(), from.string(), errno);
  }
}

}  // namespace

std::string read_text(const fs::path& file, std::size_t limit) {
  const FileHandle handle(file, O_RDONLY);
  const std::size_t size = handle.size();
  if (size > limit) {
    throw data_error("the file has " + std::to_string(size) + " bytes, more than the limit of " + std::to_string(limit),
                     file.string());
  }
  std::string text(size, '\0');
  handle.read_at(std::as_writable_bytes(std::span(text)), 0);
  return text;
}

void write_durably(const fs::path& file, std::string_view text) {
  NewFile out(file);
  out.append(text);
  out.finish();
}

void replace_text(const fs::path& file, std::string_view text, std::string_view beside) {
  fs::path first = file;
  first += beside;
  try {
    FileHandle(first, O_WRONLY | O_CREAT | O_TRUNC).write_at(std::as_bytes(std::span(text)), 0);
    rename_over(first, file);
  } catch (const Error&) {
    ::unlink(first.c_str());
    throw;
  }
}

void sync_path(const fs::path& path) {
  FileHandle(path, O_RDONLY).sync();
}

void rename_durably(const fs::path& from, const fs::path& to) {
  rename_over(from, to);
  sync_path(to.has_parent_path() ? to.parent_path() : fs::path("."));
}

FileHandle::FileHandle(const fs::path& file, int flags, unsigned mode) : path_(file) {
  fd_ = ::open(file.c_str(), flags | O_CLOEXEC, mode);
  if (fd_ < 0) throw system_error("cannot open", file.string(), errno);
}

FileHandle::~FileHandle() {
  if (fd_ >= 0) ::close(fd_);
}

FileHandle::FileHandle(FileHandle&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

void FileHandle::read_at(std::span<std::byte> into, std::size_t offset) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("cannot read", path_.string(), errno);
    if (got == 0) {
      throw data_error("the file ends at byte " + std::to_string(offset) + ", " + std::to_string(into.size()) +
                           " bytes before it should",
                       path_.string(), "it is truncated; make or copy it again");
    }
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::size_t>(got);
  }
}

void FileHandle::write_at(std::span<const std::byte> from, std::size_t offset) const {
  while (!from.empty()) {
    const ssize_t put = ::pwrite(fd_, from.data(), from.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw system_error("cannot write", path_.string(), errno);
    from = from.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::size_t>(put);
  }
}

void FileHandle::sync() const {
  if (::fsync(fd_) != 0) throw system_error("cannot make durable (fsync)", path_.string(), errno);
}

std::size_t FileHandle::size() const {
  struct stat facts {};
  if (::fstat(fd_, &facts) != 0) throw system_error("cannot examine", path_.string(), errno);
  return static_cast<std::size_t>(facts.st_size);
}

}  // namespace msn
