// SPDX-License-Identifier: Apache-2.0
#include "train/threads.hpp"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <sched.h>

#include <algorithm>
#include <climits>
#include <string>
#include <vector>

namespace msn {

int cores_of_this_rank(const World& world) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  std::string mine = world.host();
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    mine += CPU_ISSET(cpu, &allowed) != 0 ? '1' : '0';
  // Ranks of this host that may use the very same cores share them.
  const std::vector<std::string> all = world.gather(mine);
  const auto sharing = std::count(all.begin(), all.end(), mine);
  return std::max(1, CPU_COUNT(&allowed) / static_cast<int>(sharing));
}

int set_up_threads(const World& world, int threads) {
  if (threads == 0) threads = cores_of_this_rank(world);
  at::set_num_threads(threads);
  mallopt(M_MMAP_THRESHOLD, INT_MAX);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  return threads;
}

}  // namespace msn
