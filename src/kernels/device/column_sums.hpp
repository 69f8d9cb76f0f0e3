// SPDX-License-Identifier: Apache-2.0
// Sums over the rows of a matrix in two kernels: one leaves the sums of fixed blocks of rows, the other adds these up
// in a fixed order. No atomics: the same bits in every run. Included by this folder's sources only.
#pragma once

#include "kernels/device/arithmetic.hpp"
#include "kernels/device/launch.hpp"

namespace msn::kernels::device {

/// Rows that are summed together: a function of their number alone, and never more blocks than keep a GPU busy.
struct RowBlocks {
  explicit RowBlocks(std::int64_t rows)
      : length(std::max<std::int64_t>(32, (rows + 1023) / 1024)), count((rows + length - 1) / length) {}
  std::int64_t length, count;
};

/// Warps that have the packs of n columns of a block of rows: a lane each.
template <int n>
std::int64_t pack_warps(std::int64_t width) {
  return (width / n + kLanes - 1) / kLanes;
}

/// Calls run(block, pack) for each pack of the warp of that index among blocks x pack_warps().
template <int n, class Run>
KOKKOS_FORCEINLINE_FUNCTION void for_each_pack(const Team& team, std::int64_t index, std::int64_t width,
                                               const Run& run) {
  const std::int64_t packs = width / n, warps = (packs + kLanes - 1) / kLanes;
  const std::int64_t block = index / warps, first = index % warps * kLanes;
  const std::int64_t count = packs - first < kLanes ? packs - first : kLanes;
  over_lanes(team, static_cast<int>(count), [&](int lane) { run(block, first + lane); });
}

/// What blocks of rows have left, [blocks, arrays, width], into the arrays.
template <class A>
struct AddBlocks {
  static constexpr int kArrays = 3;
  static constexpr int kSummers = kOnGpu ? 16 : 1;  // Warps that share the blocks of some columns.

  const A* sums;
  std::int64_t blocks;
  int arrays, width;
  A* into[kArrays];  // Null: not wanted.
  bool overwrite;    // Instead of adding to them.

  KOKKOS_FUNCTION void operator()(const Team& team) const {
    A* shared = static_cast<A*>(team.team_scratch(0).get_shmem(kSummers * kLanes * static_cast<int>(sizeof(A))));
    const std::int64_t columns = static_cast<std::int64_t>(arrays) * width;
    const std::int64_t first = static_cast<std::int64_t>(team.league_rank()) * kLanes;
    const int warp = team.team_rank();
    over_lanes(team, kLanes, [&](int lane) {
      A sum = 0;
      if (first + lane < columns) {
        for (std::int64_t block = warp; block < blocks; block += kSummers)
          sum += sums[block * columns + first + lane];
      }
      shared[warp * kLanes + lane] = sum;
    });
    team.team_barrier();
    if (warp != 0) return;
    over_lanes(team, kLanes, [&](int lane) {
      const std::int64_t column = first + lane;
      if (column >= columns) return;
      A* array = into[column / width];
      if (array == nullptr) return;
      A total = 0;
      for (int other = 0; other < kSummers; ++other)
        total += shared[other * kLanes + lane];
      A& place = array[column % width];
      place = overwrite ? total : place + total;
    });
  }

  void launch(const char* name, Queue queue) const {
    const std::int64_t columns = static_cast<std::int64_t>(arrays) * width;
    if (columns == 0) return;
    Policy policy(space_of(queue), league((columns + kLanes - 1) / kLanes), kSummers, kLanes);
    policy.set_scratch_size(0, Kokkos::PerTeam(kSummers * kLanes * static_cast<int>(sizeof(A))));
    Kokkos::parallel_for(name, policy, *this);
  }
};

}  // namespace msn::kernels::device
