// SPDX-License-Identifier: Apache-2.0
// Makes a data set: sources to shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "data/dataset.hpp"
#include "data/sources.hpp"

namespace msn {

/// What happens at an image file that cannot be read or decoded.
enum class OnBad { fail, skip };

/// Of the whole job. The other ranks' part in the shards at hand is taken to be as large as rank 0's.
struct PackProgress {
  std::uint64_t done = 0;  ///< Images checked.
  std::uint64_t total = 0;
  std::uint64_t bad = 0;
};

/// With the inputs, their labels and the number of threads a rank.
struct PackOptions : SourceOptions {
  std::filesystem::path output;                        ///< The data set's folder; its last part is the set's name.
  std::optional<std::uint64_t> shards;                 ///< Number of shards; otherwise cut by shard_bytes.
  std::uint64_t shard_bytes = std::uint64_t{1} << 30;  ///< Bytes of image files a shard; a rank holds one in memory.
  OnBad on_bad = OnBad::fail;
  std::optional<Transcode> transcode;                 ///< Nothing: images are stored as they are.
  std::function<void(const PackProgress&)> progress;  ///< Called on rank 0, one call at a time; may be empty.
};

/// Two images of equal bytes, by name.
struct Duplicate {
  std::string name;
  std::string first;  ///< The first image with these bytes.
};

struct PackReport {
  DataSetManifest manifest;
  std::vector<BadImage> left_out;
  std::vector<Duplicate> duplicates;  ///< The first few, as duplicates.csv lists all.
  std::uint64_t bytes = 0;            ///< Of all images as they are stored.
  std::uint64_t transcoded = 0;       ///< Images that were encoded anew.
  std::uint64_t ignored = 0;          ///< Files that are no images.
  std::uint64_t labels_unused = 0;    ///< Lines of the label file that name no image.
  std::uint64_t shards_reused = 0;    ///< Complete since an earlier run.
  bool already_complete = false;      ///< Nothing had to be done.
};

/// Reads and decodes every image once and writes shards and, last, dataset.json. The ranks take turns with the shards,
/// with options.workers threads each; the files do not depend on either. Run again after an interruption it
/// keeps the shards that are complete and unchanged.
///
/// All ranks call; the report is rank 0's, elsewhere it is empty. Throws, on all ranks, AgreedError: data for a bad
/// image (on_bad = fail), a missing or empty input, an output folder that holds something else or is being written by
/// another job; usage for more shards than images.
PackReport pack(const World& world, const PackOptions& options);
/// The same in this process alone.
PackReport pack(const PackOptions& options);

}  // namespace msn
