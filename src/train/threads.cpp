// SPDX-License-Identifier: Apache-2.0
#include "train/threads.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>

#include <climits>

#include "comm/cores.hpp"
#include "train/tensor_memory.hpp"

namespace msn {

int set_up_threads(const World& world, int threads) {
  if (threads == 0) threads = cores_of_this_rank(world);
  at::set_num_threads(threads);
  // May be set once, and not to what it is.
  if (at::get_num_interop_threads() != 1) at::set_num_interop_threads(1);
  use_arena_for_tensors();
  // For what is no tensor: batches of the loader, buffers of the matrix libraries and of MPI.
  mallopt(M_MMAP_THRESHOLD, INT_MAX);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  return threads;
}

int loader_threads(const World& world, const Config& config) {
  const int cores = cores_of_this_rank(world);
  if (config.data.input == DataInput::synthetic) return 0;
  return config.data.workers > 0 ? config.data.workers : cores;
}

ThreadCounts thread_counts(const World& world, const Config& config, const MpiCommunicator& communicator, int compute) {
  return {.compute = compute,
          .loader = loader_threads(world, config),
          .communication = communicator.in_background() ? 1 : 0,
          .writer = world.rank() < config.checkpoint.writers ? 1 : 0};
}

void for_each_on_compute_threads(std::size_t n, const std::function<void(std::size_t)>& run) {
  at::parallel_for(0, static_cast<std::int64_t>(n), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      run(static_cast<std::size_t>(i));
  });
}

}  // namespace msn
