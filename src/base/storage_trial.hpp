// SPDX-License-Identifier: Apache-2.0
// Whether a folder takes and gives back files in the way of shards and checkpoints.
#pragma once

#include <cstddef>
#include <filesystem>

namespace msn {

/// One small HDF5 file, made as shards and checkpoints are. It is gone at the end of the scope, whatever happens.
class StorageTrial {
 public:
  static constexpr std::size_t kBytes = std::size_t{1} << 20;  ///< Of its large dataset.

  /// In seconds.
  struct Times {
    double create = 0;  ///< The HDF5 library lays the file out.
    double write = 0;   ///< The large dataset, past the library.
    double sync = 0;    ///< fsync of the file.
    double rename = 0;  ///< To its name, with the fsync of the folder.
  };

  /// `seed` chooses the values, so that one file cannot pass for another.
  StorageTrial(std::filesystem::path file, unsigned seed);
  ~StorageTrial();
  StorageTrial(const StorageTrial&) = delete;
  StorageTrial& operator=(const StorageTrial&) = delete;

  /// Makes the file under another name, contiguous and allocated early, puts the bytes at their offset, and renames it.
  /// Throws data_error.
  Times write() const;

  /// Reads the file of `seed` at `file`, perhaps another rank's, without the library and with it. Throws data_error if
  /// it is not what write() wrote.
  static void read(const std::filesystem::path& file, unsigned seed);

 private:
  std::filesystem::path file_, beside_;
  unsigned seed_;
};

}  // namespace msn
