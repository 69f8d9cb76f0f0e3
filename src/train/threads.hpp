// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

#include "comm/devices.hpp"
#include "comm/mpi_communicator.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"

namespace msn {

/// Decides once how many compute threads this rank has: LibTorch, its BLAS and oneDNN, and our kernels share one OpenMP
/// pool of so many, and LibTorch's pool for independent operators has one thread, which never starts. `threads` 0:
/// cores_of_this_rank(). Keeps freed memory for reuse, tensors' in an arena (train/tensor_memory.hpp), so that a step
/// does not give its buffers back to the system each time. Returns the number. All ranks call.
int set_up_threads(const World& world, int threads);

/// Loader threads of this rank: data.workers, or as many as cores_of_this_rank(); none for made-up numbers. All ranks
/// call.
int loader_threads(const World& world, const Config& config);

/// What this rank runs in a training run with so many compute threads. All ranks call.
ThreadCounts thread_counts(const World& world, const Config& config, const MpiCommunicator& communicator, int compute);

/// Calls run(i) for i in [0, n) on the compute threads. From the main thread only.
void for_each_on_compute_threads(std::size_t n, const std::function<void(std::size_t)>& run);

}  // namespace msn
