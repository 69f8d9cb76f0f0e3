// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

#include "comm/world.hpp"

namespace msn {

/// Sets the compute threads of LibTorch and of our kernels (one OpenMP pool) and keeps freed memory for reuse, tensors'
/// in an arena (train/tensor_memory.hpp), so that a step does not give its buffers back to the system each time.
/// `threads` 0: cores_of_this_rank(). Returns the number set.
int set_up_threads(const World& world, int threads);

/// Calls run(i) for i in [0, n) on the compute threads. From the main thread only.
void for_each_on_compute_threads(std::size_t n, const std::function<void(std::size_t)>& run);

}  // namespace msn
