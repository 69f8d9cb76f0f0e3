// SPDX-License-Identifier: Apache-2.0
// Makes a data set: sources to shards.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.hpp"
#include "data/sources.hpp"

namespace msn {

/// What happens at an image file that cannot be decoded.
enum class OnBad { fail, skip };

struct PackProgress {
  std::uint64_t done = 0;  ///< Images checked.
  std::uint64_t total = 0;
  std::uint64_t bad = 0;
};

struct PackOptions {
  std::vector<std::string> inputs;                     ///< Folders and generators.
  std::filesystem::path output;                        ///< The data set's folder; its last part is the set's name.
  std::optional<std::uint64_t> shards;                 ///< Number of shards; otherwise cut by shard_bytes.
  std::uint64_t shard_bytes = std::uint64_t{1} << 30;  ///< Image bytes a shard; one shard is held in memory.
  Labels labels = Labels::automatic;
  OnBad on_bad = OnBad::fail;
  int workers = 0;                                    ///< Threads; 0: all cores that the process may use.
  std::function<void(const PackProgress&)> progress;  ///< Called from worker threads, one at a time; may be empty.
};

struct PackReport {
  DataSetManifest manifest;
  std::vector<BadImage> left_out;
  std::uint64_t bytes = 0;          ///< Of all images.
  std::uint64_t ignored = 0;        ///< Files that are no images.
  std::uint64_t shards_reused = 0;  ///< Complete since an earlier run.
  bool already_complete = false;    ///< Nothing had to be done.
};

/// Reads and decodes every image once, stores the bytes as they are and writes dataset.json last. Run again after an
/// interruption it keeps the shards that are complete and unchanged. Throws data_error for a bad image (on_bad = fail),
/// a missing or empty input and an output folder that holds something else, usage_error for more shards than images.
PackReport pack(const PackOptions& options);

/// "1GiB", "500MB", "4096" to bytes (KiB, MiB, GiB, TiB; kB, MB, GB, TB; B). Throws usage_error.
std::uint64_t parse_size(std::string_view text);

}  // namespace msn
