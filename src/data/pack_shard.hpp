// SPDX-License-Identifier: Apache-2.0
// One shard of msn pack: made, or taken over from an earlier run.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/fingerprint.hpp"
#include "data/pack_plan.hpp"

namespace msn {

/// An image that is in the shard.
struct PackedImage {
  std::uint32_t item = 0;  ///< Number among the shard's planned images.
  Hash128 hash{};          ///< XXH3-128 of the bytes as they are stored.
};

struct PackedShard {
  std::vector<PackedImage> images;  ///< Empty: all were bad, and there is no file.
  std::vector<BadImage> left_out;
  std::uint64_t bytes = 0;  ///< Of the images.
  std::uint64_t transcoded = 0;
  std::uint64_t file_size = 0;
  std::string file_hash;
  bool reused = false;
};

struct ShardTools {
  const PackPlan& plan;
  const PackOptions& options;
  const SourceReader& reader;
  int workers = 1;
  std::function<void(bool bad)> step;  ///< Called after each image, from several threads; may be empty.
};

/// Throws data_error for a bad image (on_bad = fail) and for a shard of an earlier run that does not fit the plan.
PackedShard pack_shard(const ShardTools& tools, const PlannedShard& planned);

std::string to_bytes(const PackedShard& shard);
PackedShard shard_from_bytes(std::string_view bytes);

}  // namespace msn
