// SPDX-License-Identifier: Apache-2.0
// The encoded images of a packed data set as training reads them: a shard's index when the first of its images is
// wanted, bytes by pread, few open files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace msn {

/// Where the encoded bytes of an image lie.
struct Extent {
  std::size_t set = 0;  ///< Number of the data set, for callers with several.
  std::size_t shard = 0;
  std::uint64_t offset = 0;    ///< In the shard's file.
  std::size_t size = 0;        ///< Bytes.
  std::uint32_t checksum = 0;  ///< CRC-32C.
};

/// Thread-safe. Samples are numbered from 0 through all shards in order.
class SampleStore {
 public:
  /// Files that are open at the same time, at most; beside them, one while the index of a shard is read. The one that
  /// was used longest ago is closed for another.
  static constexpr std::size_t most_open_files = 256;

  /// Reads dataset.json and nothing else. Throws data_error.
  explicit SampleStore(const std::filesystem::path& folder);

  std::uint64_t count() const { return manifest_.count; }
  const DataSetManifest& manifest() const { return manifest_; }
  const std::filesystem::path& folder() const { return folder_; }

  /// Reads and checks the shard's index first if nobody did; it stays in memory: 12 bytes an image. Throws data_error
  /// if the shard is not as dataset.json says.
  Extent locate(std::uint64_t sample) const;

  /// Tells the system that these bytes will be read soon.
  void will_need(std::size_t shard, std::uint64_t offset, std::size_t size) const;
  /// Any bytes of a shard, as they are. Throws data_error.
  void read(std::size_t shard, std::uint64_t offset, std::span<std::byte> into) const;

  /// "sample 7 (cat/0007.jpg, image 7 of DIR/x.h5)", for messages; the name is left out if it cannot be read.
  std::string describe(std::uint64_t sample) const;

  /// Shards whose index was read.
  std::size_t shards_opened() const;

 private:
  struct Index {
    std::mutex mutex;                   ///< Held while the index is read.
    std::vector<std::uint64_t> bounds;  ///< Image i lies in the file from bounds[i] to bounds[i + 1].
    std::vector<std::uint32_t> checksum;
  };
  struct Place {
    std::size_t shard;
    std::size_t index;
  };
  using OpenFile = std::pair<std::size_t, std::shared_ptr<const FileHandle>>;

  Place place_of(std::uint64_t sample) const;
  std::shared_ptr<const FileHandle> file_of(std::size_t shard) const;

  std::filesystem::path folder_;
  DataSetManifest manifest_;
  std::vector<std::uint64_t> first_;  ///< Sample number of each shard's first image.
  std::unique_ptr<Index[]> index_;    ///< One a shard.
  mutable std::mutex files_mutex_;
  mutable std::list<OpenFile> files_;  ///< The one used last first.
};

}  // namespace msn
