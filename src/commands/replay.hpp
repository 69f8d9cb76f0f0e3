// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/replay.hpp"

namespace msn {

/// `msn train --replay`: runs the bundle's step again and prints, on rank 0, a table of its ranks and whether the step
/// came out as recorded. Throws numerics_error, on every rank, if it did not.
void replay_step(const World& world, const Config& config, const ReplayOptions& options, bool json);

}  // namespace msn
