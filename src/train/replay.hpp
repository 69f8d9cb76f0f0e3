// SPDX-License-Identifier: Apache-2.0
// Runs a step whose numbers were not finite once more.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "comm/gpus.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/bundle.hpp"

namespace msn {

struct ReplayOptions {
  std::filesystem::path run;
  std::filesystem::path bundle;
  std::optional<Gpu> gpu;  ///< This rank's, bound (bind_gpu); none: processors compute.
};

struct ReplayResult {
  StepBundle recorded;
  StepBundle replayed;
  std::uint64_t first_step = 0;  ///< Completed steps of the state that the replay began with.
  Match match = Match::bits;
  std::string why_not_bits;              ///< Empty for Match::bits.
  std::vector<std::string> differences;  ///< Empty: the step came out as recorded.
};

/// Trains from the newest checkpoint of the run before the step of the bundle, or from its beginning, up to and
/// including that step, and compares. Steps before it that are not finite are left out, as train.non_finite = "skip"
/// does. Nothing is written. Throws a data error for a bundle, run folder or checkpoint that cannot be read or does not
/// fit the data, and config_error if the bundle is of another configuration or other data. All ranks call with equal
/// arguments.
ReplayResult replay(const World& world, const Config& config, const ReplayOptions& options);

}  // namespace msn
