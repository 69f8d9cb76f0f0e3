// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/world.hpp"

namespace msn {

/// Cores that this rank may use: those it is bound to, shared evenly with the ranks that are bound to the same ones. At
/// least 1. All ranks call.
int cores_of_this_rank(const World& world);

/// Sets the compute threads of LibTorch and of our kernels (one OpenMP pool) and keeps freed memory for reuse, so that
/// a step does not give its buffers back to the system each time. `threads` 0: cores_of_this_rank(). Returns the number
/// set.
int set_up_threads(const World& world, int threads);

}  // namespace msn
