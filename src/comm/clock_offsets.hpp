// SPDX-License-Identifier: Apache-2.0
// How far the clocks of hosts are apart.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "comm/world.hpp"

namespace msn {

/// In seconds.
struct ClockOffset {
  int rank = 0;
  double ahead = 0;  ///< Of rank 0's clock; negative: behind.
  double error = 0;  ///< At most: half of the shortest round trip.
};

/// Seconds since 1970 by the system's clock.
double system_clock_seconds();

/// The clocks of `ranks` (not 0; the same list on all) against rank 0's, by a few round trips to each, of which the
/// shortest counts. Filled on rank 0 only. All ranks call.
std::vector<ClockOffset> clock_offsets(const World& world, std::span<const int> ranks,
                                       const std::function<double()>& clock = system_clock_seconds);

}  // namespace msn
