// SPDX-License-Identifier: Apache-2.0
// How fast a training step is on this machine, and where its time goes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/gpus.hpp"
#include "comm/sections.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "kernels/work_times.hpp"

namespace msn {

struct StepBenchmarkOptions {
  int warm_up = 2;  ///< Steps that do not count.
  int steps = 10;
  std::optional<Gpu> gpu;  ///< This rank's, bound (bind_gpu); none: processors compute.
};

/// Of one rank, in bytes unless said.
struct StepMemory {
  double after_construction = 0;  ///< In memory (RSS) with the state, before the first batch and step.
  double moments = 0;             ///< Of that, the optimiser's moments.
  double peak = 0;                ///< The most in memory up to the end of the last step.
  double arena_peak = 0;          ///< Of that, the most that tensors had in use (base/arena.hpp).
  double arena_committed = 0;     ///< What the arena had taken from the system for it.
  double arena_growths = 0;       ///< How often, after the first step.
  double arena_refused = 0;       ///< Tensors that did not fit.
};

struct StepBenchmark {
  std::string device;                ///< Placement::description() of rank 0.
  bool on_gpu = false;               ///< Then there are neither times by kind of work nor an arena.
  int threads = 1;                   ///< Compute threads of a rank.
  std::vector<double> step_seconds;  ///< Of each step that counts, of the slowest rank.
  SectionTimes sections;             ///< Seconds a step, the mean over steps and ranks.
  double flops = 0;                  ///< Of a step over all ranks, in matrix products as they are run, for all images.
  kernels::WorkTimes work{};         ///< A step of a rank, the mean over steps and ranks.
  double gemm_rate = 0;   ///< FLOP/s over all ranks that one large matrix product a rank reaches, in the trunk's type.
  double copy_rate = 0;   ///< Bytes/s over all ranks that a plain copy in memory reads and writes; 0 on a GPU.
  StepMemory memory;      ///< Of the rank with the largest peak.
  double input_wait = 0;  ///< Seconds a step that the step's batch was waited for, the mean over steps and ranks.
  double others_share =
      0;  ///< Of a host's cores, that other processes used during the steps that count; the most of all.
};

/// Takes steps with the state of `config` on all ranks together: on its data, or on made-up numbers if data.input says
/// so. On a GPU a step's time is that from one finished step to the next. All ranks call, with equal arguments. Throws
/// AgreedError.
StepBenchmark benchmark_step(const World& world, const Config& config, const StepBenchmarkOptions& options);

/// Seconds of `work` if its operations ran at a rank's share of gemm_rate and its bytes moved at that of copy_rate,
/// both at once; 0 if it says neither.
double floor_seconds(const kernels::WorkTime& work, const StepBenchmark& result, int ranks);

}  // namespace msn
