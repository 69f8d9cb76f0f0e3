// SPDX-License-Identifier: Apache-2.0
#include "train/replicas.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/hash.hpp"

namespace msn {

void check_replicas(const World& world, TrainState& state) {
  if (world.size() == 1) return;
  constexpr std::array<std::string_view, 5> groups{"online.prototypes", "online.", "target.", "adam.exp_avg.",
                                                   "adam.exp_avg_sq."};
  std::array<Hasher, groups.size()> hashers;
  for (const StateTensor& tensor : state_tensors(state)) {
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (tensor.name.rfind(groups[g], 0) == 0) {
        hashers[g].update(tensor.bytes);
        break;
      }
    }
  }
  std::string hashes;
  for (const Hasher& hasher : hashers)
    hashes += hasher.hex();
  const std::vector<std::string> all = world.gather(hashes);
  constexpr std::size_t digits = 32;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t rank = 1; rank < all.size(); ++rank) {
      if (all[rank].compare(g * digits, digits, all[0], g * digits, digits) != 0) {
        throw AgreedError(internal_error("the replicas of " + std::string(groups[g]) +
                                             "* differ between rank 0 and rank " + std::to_string(rank) +
                                             " after step " + std::to_string(state.step),
                                         "check_replicas"));
      }
    }
  }
}

}  // namespace msn
