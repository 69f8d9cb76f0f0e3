// SPDX-License-Identifier: Apache-2.0
#include "base/new_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "base/error.hpp"

namespace msn {

namespace {

std::filesystem::path name_beside(std::filesystem::path file) {
  file += ".tmp";
  return file;
}

}  // namespace

NewFile::NewFile(std::filesystem::path file)
    : file_(std::move(file)), beside_(name_beside(file_)), handle_(beside_, O_WRONLY | O_CREAT | O_TRUNC) {}

NewFile::~NewFile() {
  if (!finished_) ::unlink(beside_.c_str());
}

void NewFile::append(std::span<const std::byte> bytes) {
  handle_.write_at(bytes, size_);
  size_ += bytes.size();
}

void NewFile::append(std::string_view text) {
  append(std::as_bytes(std::span(text)));
}

void NewFile::skip_to(std::uint64_t offset) {
  MSN_CHECK(offset >= size_);
  size_ = offset;
}

void NewFile::finish() {
  MSN_CHECK(!finished_);
  handle_.sync();
  rename_durably(beside_, file_);
  finished_ = true;
}

}  // namespace msn
