// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/world.hpp"
#include "train/state.hpp"

namespace msn {

/// Compares weights, EMA, prototypes, moments and buffers over ranks by hash. Throws internal_error, on every rank
/// alike, naming the first group that differs and the lowest rank that differs from rank 0.
void check_replicas(const World& world, TrainState& state);

}  // namespace msn
