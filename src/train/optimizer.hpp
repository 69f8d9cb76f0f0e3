// SPDX-License-Identifier: Apache-2.0
// From the gradients of a step to the next state: norm, clipping, AdamW, EMA.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "kernels/update_scalars.hpp"
#include "objective/schedules.hpp"
#include "train/state.hpp"

namespace msn {

/// What of the optimiser does not change during a run.
struct OptimizerOptions {
  double clip = 0;                 ///< Greatest norm of the encoder's averaged gradients; 0: any.
  bool freeze_prototypes = false;  ///< They are not updated.
  int ranks = 1;                   ///< That the gradients of `TrainState::online` are summed over.
};

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

// The same for hosts that do not wait for their device: what it finds out stays in its memory. A captured graph may
// hold all three device_ functions. They compute in any form but KernelForm::rows, in host memory as on a GPU.

/// What the host knows of an update: `count` is its number, from 1. clip_factor and alive are 1.
kernels::UpdateScalars update_scalars(const ScheduleValues& schedule, std::int64_t count);

/// gradient_norms() as float64 [2], encoder and prototypes, where the gradients are.
at::Tensor device_gradient_norms(const TrainState& state, const OptimizerOptions& options);

/// Completes `scalars`, kernels::UpdateScalars as float64 [kUpdateScalars] beside the state: clip_factor from the
/// norms; and alive, which becomes 0 unless both norms are finite and `not_finite`, one number of any type, is 0. An
/// alive of 0 stays so until the host writes 1: it stops later updates, too.
void device_decide_update(const at::Tensor& scalars, const at::Tensor& norms, const at::Tensor& not_finite,
                          const OptimizerOptions& options);

/// update_state() by `scalars`. Where alive is 0, weights, moments, target and shadows keep their bits.
void device_update_state(TrainState& state, const OptimizerOptions& options, const at::Tensor& scalars,
                         const WeightShadows& shadows = {});

/// Bytes that gradient_norms() and update_state() together read and write.
std::int64_t optimizer_bytes(const TrainState& state, const OptimizerOptions& options, bool shadows);

}  // namespace msn
