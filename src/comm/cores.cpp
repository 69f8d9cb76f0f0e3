// SPDX-License-Identifier: Apache-2.0
#include "comm/cores.hpp"

#include <sched.h>

#include <algorithm>
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

}  // namespace msn
