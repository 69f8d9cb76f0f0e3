// SPDX-License-Identifier: Apache-2.0
// Whether a run fits into memory: said before it begins, and explained when it does not.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "comm/gpus.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/memory_plan.hpp"

namespace msn {

/// Memory that a rank may take where its step computes.
struct MemoryAtHand {
  std::string where;  ///< "GPU NVIDIA H200 0000:65:00.0 of host n07", "host n07"
  double total = 0;   ///< Of all ranks.
  double free = 0;    ///< For this rank, before it took any.
};

/// The settings that make a rank's plan fit into `bytes`, each with the value that does: "set train.micro_batch to 16
/// (23.10 GiB), ..."; if none does, that the model is too large.
std::string settings_that_fit(const Config& config, const PlannedRank& rank, double bytes);

/// How far a plan of a GPU's memory may be beyond what is free before the run is refused: libraries and the allocator
/// are only assumed.
inline constexpr double kRefuseBeyond = 1.1;

/// Empty if the plan fits, else a warning. Throws config_error for a GPU that is short by more than kRefuseBeyond.
std::string check_memory(const Config& config, const PlannedRank& rank, const MemoryAtHand& at_hand);

/// Somebody asked for memory that was not there.
struct MemoryRefusal {
  bool on_gpu = false;
  std::optional<double> asked;  ///< Bytes; unknown: the C++ library's own request, or a library's.
};
/// Of the messages of LibTorch, CUDA and the C++ library; nullopt for all others.
std::optional<MemoryRefusal> memory_refusal(std::string_view message);

/// The one line: what was asked, planned and is there, and what to change. `free_now` 0: unknown.
Error out_of_memory(const MemoryRefusal& refusal, const Config& config, const PlannedRank& rank,
                    const MemoryAtHand& at_hand, double free_now);

/// Of one run, on one rank.
class RunMemory {
 public:
  /// Says in the log what is planned and what there is; looks whether it fits (check_memory), where an error is agreed.
  /// `gpu` nullptr: the processor computes; else it is the current device. All ranks call, before the state is made.
  RunMemory(const World& world, const Config& config, const Gpu* gpu);

  /// `failure`, or out_of_memory() in its place, agreed if `failure` was.
  std::exception_ptr explained(const std::exception_ptr& failure) const;

 private:
  Config config_;
  PlannedRank rank_;
  MemoryAtHand at_hand_;
};

}  // namespace msn
