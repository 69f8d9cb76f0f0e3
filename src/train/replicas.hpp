// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/world.hpp"
#include "train/host_state.hpp"
#include "train/state.hpp"

namespace msn {

/// Compares weights, EMA, prototypes, moments and buffers over ranks by hash (XXH3): one hash a rank, and only if they
/// differ one a tensor. Throws numerics_error, on every rank alike, naming the first tensor that differs and every rank
/// whose state is not that of most ranks (of as many on both sides: not that of the lowest rank). All ranks call.
void check_replicas(const World& world, TrainState& state);
/// The same, and leaves what it compared, the state as it is now, in `state`'s host memory.
void check_replicas(const World& world, HostState& state);

}  // namespace msn
