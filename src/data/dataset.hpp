// SPDX-License-Identifier: Apache-2.0
// A packed data set: a folder of shards and dataset.json (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/shard.hpp"
#include "data/transcode.hpp"

namespace msn {

/// What dataset.json says of one shard.
struct ShardEntry {
  std::string file;         ///< A plain name inside the folder.
  std::uint64_t count = 0;  ///< Images.
  std::uint64_t size = 0;   ///< Bytes of the file.
  std::string hash;         ///< XXH3-128 of the file.

  bool operator==(const ShardEntry&) const = default;
};

/// dataset.json.
struct DataSetManifest {
  std::string name;
  std::uint64_t count = 0;
  std::vector<std::string> classes;  ///< Empty: no labels.
  std::vector<ShardEntry> shards;
  std::uint64_t left_out = 0;          ///< Bad image files that were skipped.
  std::uint64_t duplicates = 0;        ///< Images whose bytes are equal to an earlier image's.
  std::optional<Transcode> transcode;  ///< How images were encoded anew; nothing: all are as they were.
  std::string fingerprint;  ///< Hash of all images, names and labels in order; the cut into shards does not matter.

  bool operator==(const DataSetManifest&) const = default;
};

/// Throws data_error for anything that is not as msn pack writes it.
DataSetManifest read_dataset_manifest(const std::filesystem::path& folder);
void write_dataset_manifest(const std::filesystem::path& folder, const DataSetManifest& manifest);

/// Throws data_error unless the shard is a regular file of the size that dataset.json says. Opens nothing.
void check_shard_file(const std::filesystem::path& folder, const ShardEntry& entry);
/// check_shard_file, then opens it and compares its count and its labels with dataset.json. Throws data_error.
Shard open_shard(const std::filesystem::path& folder, const ShardEntry& entry, std::size_t classes);

/// A data set open for reading; thread-safe. Samples are numbered from 0 through all shards in order.
class DataSet {
 public:
  /// Opens every shard and compares counts and file sizes with dataset.json; image bytes are not read. Throws
  /// data_error.
  explicit DataSet(const std::filesystem::path& folder);

  std::uint64_t count() const { return manifest_.count; }
  const DataSetManifest& manifest() const { return manifest_; }
  const std::vector<Shard>& shards() const { return shards_; }
  const std::filesystem::path& folder() const { return folder_; }

  /// The encoded bytes. Throws data_error if they are damaged.
  std::vector<std::byte> read(std::uint64_t sample) const;
  /// Index into manifest().classes, -1 without labels.
  std::int32_t label(std::uint64_t sample) const;
  /// "sample 7 (cat/0007.jpg, image 7 of DIR/x.h5)", for messages.
  std::string describe(std::uint64_t sample) const;

 private:
  struct Place {
    std::size_t shard;
    std::size_t index;
  };
  Place place_of(std::uint64_t sample) const;

  std::filesystem::path folder_;
  DataSetManifest manifest_;
  std::vector<Shard> shards_;
  std::vector<std::uint64_t> first_;  ///< Sample number of each shard's first image.
};

}  // namespace msn
