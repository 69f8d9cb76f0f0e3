// SPDX-License-Identifier: Apache-2.0
#include "train/threads.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>

#include <climits>

#include "comm/cores.hpp"

namespace msn {

int set_up_threads(const World& world, int threads) {
  if (threads == 0) threads = cores_of_this_rank(world);
  at::set_num_threads(threads);
  mallopt(M_MMAP_THRESHOLD, INT_MAX);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  return threads;
}

}  // namespace msn
