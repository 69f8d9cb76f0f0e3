// SPDX-License-Identifier: Apache-2.0
#include "base/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/error.hpp"

namespace msn {

namespace {

void lock(const FileHandle& folder, int how) {
  // Other errors mean that this file system has no such locks.
  if (::flock(folder.get(), how | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    throw data_error("another job is writing to the folder", folder.path().string(),
                     "wait until it has ended, or end it, and run again");
  }
}

}  // namespace

FolderLock FolderLock::exclusive(const std::filesystem::path& folder) {
  FileHandle handle(folder, O_RDONLY | O_DIRECTORY);
  lock(handle, LOCK_EX);
  return FolderLock(std::move(handle));
}

void FolderLock::share() {
  lock(folder_, LOCK_SH);
}

FolderLock FolderLock::shared(const std::filesystem::path& folder) {
  FileHandle handle(folder, O_RDONLY | O_DIRECTORY);
  lock(handle, LOCK_SH);
  return FolderLock(std::move(handle));
}

}  // namespace msn
