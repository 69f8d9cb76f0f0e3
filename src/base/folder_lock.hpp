// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <utility>

#include "base/files.hpp"

namespace msn {

/// Keeps a second job out of a folder while this one writes to it, by an advisory lock on the folder itself (flock);
/// it ends with the process however that ends. Nothing is left in the folder. On file systems without such locks it
/// does nothing.
class FolderLock {
 public:
  /// The job's first process: throws data_error if any process of another job holds the lock.
  static FolderLock exclusive(const std::filesystem::path& folder);
  /// Lets other processes of the same job hold the lock too.
  void share();
  /// The job's other processes, after the first one has called share().
  static FolderLock shared(const std::filesystem::path& folder);

 private:
  explicit FolderLock(FileHandle folder) : folder_(std::move(folder)) {}
  FileHandle folder_;
};

}  // namespace msn
