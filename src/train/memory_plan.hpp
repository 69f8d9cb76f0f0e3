// SPDX-License-Identifier: Apache-2.0
// What memory a rank will take, from its configuration alone: nothing is loaded, nothing is allocated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "model/kernel_form.hpp"
#include "train/memory_ledger.hpp"
#include "train/step_memory.hpp"

namespace msn {

/// A rank of a run.
struct PlannedRank {
  int ranks = 1;
  std::int64_t local_batch = 1;  ///< Its images of a step; train.micro_batch divides them.
  bool on_gpu = false;
};

struct MemoryPlan {
  bool on_gpu = false;
  /// At the peak of a step, where it computes: on the GPU, else in host memory.
  MemoryTable step;
  /// Beside that, always in host memory.
  MemoryTable host;
  /// The most that each use has, at whatever time.
  MemoryTable most;

  /// Of the device that computes: on a processor host memory, and everything is there.
  double device_bytes() const { return step.total() + (on_gpu ? 0 : host.total()); }
  double host_bytes() const { return host.total() + (on_gpu ? 0 : step.total()); }
};

/// Bytes of an activation of the trunk.
std::int64_t value_bytes(Precision precision);
/// Bytes of a weight, a gradient, a statistic, and everything in head and loss.
std::int64_t parameter_bytes(Precision precision);

/// The sizes of a rank's step.
StepSizes step_sizes(const Config& config, const PlannedRank& rank);

/// The step is gone through tensor by tensor; of host memory it counts what lies in the arena, not what libraries and
/// kernels take for themselves. Of a GPU these are assumed (memory_plan.cpp).
MemoryPlan plan_memory(const Config& config, const PlannedRank& rank);

/// The most images of a step whose plan takes at most `bytes` of the device that computes, with train.micro_batch as it
/// is; 0 if not even the fewest do.
std::int64_t largest_local_batch(const Config& config, PlannedRank rank, double bytes);
/// The largest train.micro_batch, a divisor of the rank's images, whose plan takes at most `bytes`.
std::optional<std::int64_t> largest_micro_batch(const Config& config, const PlannedRank& rank, double bytes);

/// "1.34 GiB", "12.0 MiB", "4.0 KiB".
std::string size_text(double bytes);
/// "weights 0.10 GiB, EMA weights 0.08 GiB, ...", the uses that have some, in their order.
std::string to_text(const MemoryTable& table);
/// For the log and --dry-run: the device that computes, and host memory beside it.
std::vector<std::string> plan_lines(const MemoryPlan& plan);

}  // namespace msn
