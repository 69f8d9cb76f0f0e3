// SPDX-License-Identifier: Apache-2.0
// How this folder's kernels start: warps, each with a row or a part of one. Included by its sources only.
#pragma once

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "base/error.hpp"
#include "kernels/device/space.hpp"

namespace msn::kernels::device {

using Space = Kokkos::DefaultExecutionSpace;
using Policy = Kokkos::TeamPolicy<Space>;
using Team = Policy::member_type;

/// The execution space whose kernels go on that queue. Must be called within a KokkosSession.
const Space& space_of(Queue queue);

// A warp is a thread of Kokkos with the lanes of its vector. In host memory both are one: a team has one thread there
// (Serial), whose loop over lanes is a plain loop.
inline constexpr bool kOnGpu = !std::is_same_v<Space, Kokkos::DefaultHostExecutionSpace>;
inline constexpr int kLanes = kOnGpu ? 32 : 1;
inline constexpr int kWarps = kOnGpu ? 4 : 1;  // Of a team that shares nothing.

/// Calls run(i) for i in [0, count), shared among the lanes of a warp; equal counts fall to lanes alike.
template <class Run>
KOKKOS_FORCEINLINE_FUNCTION void over_lanes(const Team& team, int count, const Run& run) {
  Kokkos::parallel_for(Kokkos::ThreadVectorRange(team, count), run);
}

/// The sum over the lanes of a warp of what each has, in all of them. Always in the same order.
template <class A>
KOKKOS_FORCEINLINE_FUNCTION A sum_lanes(const Team& team, A of_lane) {
  A total = 0;
  Kokkos::parallel_reduce(
      Kokkos::ThreadVectorRange(team, kLanes), [&](int, A& sum) { sum += of_lane; }, total);
  return total;
}

template <class Task>
struct EachTask {
  std::int64_t count;
  Task task;
  KOKKOS_FUNCTION void operator()(const Team& team) const {
    const std::int64_t index = static_cast<std::int64_t>(team.league_rank()) * team.team_size() + team.team_rank();
    if (index < count) task(team, index);
  }
};

inline int league(std::int64_t teams) {
  MSN_CHECK(teams <= INT32_MAX);
  return static_cast<int>(teams);
}

/// Calls task(team, index) for index in [0, count), a warp each. A task has no barrier and no memory of its team.
template <class Task>
void for_each_warp(const char* name, Queue queue, std::int64_t count, const Task& task) {
  if (count == 0) return;
  Kokkos::parallel_for(name, Policy(space_of(queue), league((count + kWarps - 1) / kWarps), kWarps, kLanes),
                       EachTask<Task>{count, task});
}

}  // namespace msn::kernels::device
