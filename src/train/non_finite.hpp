// SPDX-License-Identifier: Apache-2.0
// What becomes of a step whose numbers are not finite: train.non_finite.
#pragma once

#include <filesystem>
#include <functional>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/bundle.hpp"
#include "train/state.hpp"

namespace msn {

/// Counts a step that was left out: it is completed, without an update.
void count_skipped(TrainState& state);

/// Keeps `bundle` (a disk that refuses it is a warning), then leaves the step out, with a warning, if the configuration
/// says so and allows one more; `state` has counted it then. Otherwise calls `save`, which may make a checkpoint of the
/// state, and throws numerics_error with the step, what was not finite and what became of the state. All ranks call
/// with equal arguments, and all of them go on or throw.
void skip_or_end(const World& world, const TrainConfig& config, const std::filesystem::path& run,
                 const StepBundle& bundle, TrainState& state, const std::function<void()>& save);

}  // namespace msn
