// SPDX-License-Identifier: Apache-2.0
// From the gradients of a step to the next state: norm, clipping, AdamW, EMA.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/adamw.hpp"
#include "objective/schedules.hpp"
#include "train/state.hpp"

namespace msn {

/// What of the optimiser does not change during a run.
struct OptimizerOptions {
  double clip = 0;                 ///< Greatest norm of the encoder's averaged gradients; 0: any.
  bool freeze_prototypes = false;  ///< They are not updated.
  int ranks = 1;                   ///< That the gradients of `TrainState::online` are summed over.
};

/// What is updated and how, with gradients that are multiplied by `clip` and made means over ranks. Decayed is every
/// encoder tensor with more than one dimension, class token and positions included.
std::vector<kernels::UpdateRange> update_ranges(const TrainState& state, const OptimizerOptions& options, double clip);

/// 2-norms of the gradients averaged over the ranks. Not finite if any gradient is not.
struct GradientNorms {
  double encoder = 0;
  double prototypes = 0;
};

/// Both networks' weights in bfloat16, in the layouts of their flat buffers; undefined: none.
struct WeightShadows {
  at::Tensor online, target;
};

/// The same on every rank once the gradients are. Waits for the state's device.
GradientNorms gradient_norms(const TrainState& state, const OptimizerOptions& options);

/// As the official code: the encoder's gradients are averaged over ranks and clipped, the prototypes' are summed, and
/// the target follows the encoder. Counts no step. Rounds what it writes into `shadows`, of float32 states, if there
/// are any.
void update_state(TrainState& state, const OptimizerOptions& options, const GradientNorms& norms,
                  const ScheduleValues& schedule, const WeightShadows& shadows = {});

/// Bytes that gradient_norms() and update_state() together read and write.
std::int64_t optimizer_bytes(const TrainState& state, const OptimizerOptions& options, bool shadows);

}  // namespace msn
