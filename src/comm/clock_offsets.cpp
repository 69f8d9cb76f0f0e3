// SPDX-License-Identifier: Apache-2.0
#include "comm/clock_offsets.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace msn {

namespace {

constexpr int kRoundTrips = 16;  // The first ones connect the ranks.
constexpr int kTag = 1;

ClockOffset ask(const World& world, int rank, const std::function<double()>& clock) {
  ClockOffset best{rank, 0, std::numeric_limits<double>::infinity()};
  for (int trip = 0; trip < kRoundTrips; ++trip) {
    double theirs = 0;
    const double sent = clock();
    MSN_CHECK_MPI(MPI_Send(nullptr, 0, MPI_BYTE, rank, kTag, world.comm()));
    MSN_CHECK_MPI(MPI_Recv(&theirs, 1, MPI_DOUBLE, rank, kTag, world.comm(), MPI_STATUS_IGNORE));
    const double got = clock();
    const double error = (got - sent) / 2;
    if (error >= 0 && error < best.error) best = {rank, theirs - (sent + error), error};
  }
  return best;
}

void answer(const World& world, const std::function<double()>& clock) {
  for (int trip = 0; trip < kRoundTrips; ++trip) {
    MSN_CHECK_MPI(MPI_Recv(nullptr, 0, MPI_BYTE, 0, kTag, world.comm(), MPI_STATUS_IGNORE));
    const double mine = clock();
    MSN_CHECK_MPI(MPI_Send(&mine, 1, MPI_DOUBLE, 0, kTag, world.comm()));
  }
}

}  // namespace

double system_clock_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::vector<ClockOffset> clock_offsets(const World& world, std::span<const int> ranks,
                                       const std::function<double()>& clock) {
  std::vector<ClockOffset> offsets;
  if (world.rank() == 0) {
    for (const int rank : ranks)
      offsets.push_back(ask(world, rank, clock));
  } else if (std::find(ranks.begin(), ranks.end(), world.rank()) != ranks.end()) {
    answer(world, clock);
  }
  return offsets;
}

}  // namespace msn
