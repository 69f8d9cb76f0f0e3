// SPDX-License-Identifier: Apache-2.0
#include "kernels/device/reduce.hpp"

#include "kernels/device/arithmetic.hpp"
#include "kernels/device/launch.hpp"

namespace msn::kernels::device {
namespace {

/// Values that a warp sums.
constexpr std::int64_t kBlock = 4096;

template <class T, int n>
struct SumBlock {
  const T* values;
  std::int64_t count;
  double* sums;

  KOKKOS_FUNCTION void operator()(const Team& team, std::int64_t block) const {
    const T* from = values + block * kBlock;
    const std::int64_t left = count - block * kBlock;
    const int length = static_cast<int>(left < kBlock ? left : kBlock);
    double of_lane = 0;
    const auto add = [&](T stored) {
      const double value = load(stored);
      of_lane += value * value;
    };
    over_lanes(team, length / n, [&](int pack) {
      const Pack<T, n> read = read_pack<n>(from, pack);
      for (int i = 0; i < n; ++i)
        add(read.values[i]);
    });
    over_lanes(team, length % n, [&](int i) { add(from[length / n * n + i]); });
    const double sum = sum_lanes(team, of_lane);
    over_lanes(team, 1, [&](int) { sums[block] = sum; });
  }
};

/// One team adds the sums of all blocks.
struct AddSums {
  static constexpr int kSummers = kOnGpu ? 32 : 1;  // Warps.
  static constexpr int kSharedBytes = kSummers * static_cast<int>(sizeof(double));

  const double* sums;
  std::int64_t blocks;
  double* result;

  KOKKOS_FUNCTION void operator()(const Team& team) const {
    double* shared = static_cast<double*>(team.team_scratch(0).get_shmem(int{kSharedBytes}));
    const std::int64_t share = (blocks + kSummers - 1) / kSummers;
    const std::int64_t first = team.team_rank() * share;
    const std::int64_t end = first + share < blocks ? first + share : blocks;
    double of_lane = 0;
    if (first < end) over_lanes(team, static_cast<int>(end - first), [&](int i) { of_lane += sums[first + i]; });
    const double sum = sum_lanes(team, of_lane);
    over_lanes(team, 1, [&](int) { shared[team.team_rank()] = sum; });
    team.team_barrier();
    if (team.team_rank() != 0) return;
    over_lanes(team, 1, [&](int) {
      double total = 0;
      for (int warp = 0; warp < kSummers; ++warp)
        total += shared[warp];
      *result = total;
    });
  }
};

}  // namespace

template <class T>
void sum_of_squares(Queue queue, const T* values, std::int64_t count, double* result, double* scratch) {
  const std::int64_t blocks = sum_of_squares_scratch(count);
  const auto run = [&]<int n>(std::integral_constant<int, n>) {
    for_each_warp("sum_of_squares", queue, blocks, SumBlock<T, n>{values, count, scratch});
  };
  with_pack<T>(kBlock, run, values);
  Policy policy(space_of(queue), 1, AddSums::kSummers, kLanes);
  policy.set_scratch_size(0, Kokkos::PerTeam(AddSums::kSharedBytes));
  Kokkos::parallel_for("sum_of_squares of blocks", policy, AddSums{scratch, blocks, result});
}

std::int64_t sum_of_squares_scratch(std::int64_t count) {
  return (count + kBlock - 1) / kBlock;
}

template void sum_of_squares<float>(Queue, const float*, std::int64_t, double*, double*);
template void sum_of_squares<double>(Queue, const double*, std::int64_t, double*, double*);

}  // namespace msn::kernels::device
