// SPDX-License-Identifier: Apache-2.0
// Is a data set what its index says, byte for byte?
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/fingerprint.hpp"

namespace msn {

/// Problems found, in order; only the first ones are kept as text.
class Problems {
 public:
  explicit Problems(std::size_t limit) : limit_(limit) {}

  void add(std::string line);
  /// Problems whose text is not kept.
  void add_unnamed(std::uint64_t more) { count_ += more; }
  /// Those of `other` behind ours.
  void append(const Problems& other);
  std::uint64_t count() const { return count_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::size_t limit_;
  std::uint64_t count_ = 0;
  std::vector<std::string> lines_;
};

enum class VerifyDepth {
  bytes,   ///< Sizes, hashes, checksums, and the index against the header of each image.
  pixels,  ///< Also decodes every image and compares its size.
};

struct VerifyOptions {
  VerifyDepth depth = VerifyDepth::bytes;
  int workers = 1;
  std::size_t limit = 100;                             ///< Problems that are kept as text, of each shard and in all.
  std::function<void(std::uint64_t images)> progress;  ///< After each image, one call at a time; may be empty.
};

/// What was seen of one shard.
struct ShardCheck {
  Problems problems;
  bool whole = false;           ///< Every name and every image could be read as it was written.
  std::vector<Hash128> hashes;  ///< Of each image's bytes; zero for one that could not be read.
  std::uint64_t bytes = 0;      ///< Of all images.
};

/// Checks one shard against its entry in dataset.json: regular file, size, hash of the file, index, number of images
/// and names, labels below `classes`; every image's checksum, and width, height and flags against its header. Throws
/// nothing for what the shard is: that is in `problems`.
ShardCheck check_shard(const std::filesystem::path& folder, const ShardEntry& entry, std::size_t classes,
                       const VerifyOptions& options);

/// What only all shards together tell: the fingerprint, and the number of duplicates. `checks` in the order of the
/// manifest. Says nothing if any is not whole: that is a problem already.
Problems check_whole(const std::filesystem::path& folder, const DataSetManifest& manifest,
                     const std::vector<ShardCheck>& checks);

}  // namespace msn
