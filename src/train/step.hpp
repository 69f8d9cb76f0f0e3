// SPDX-License-Identifier: Apache-2.0
// One data-parallel MSN step.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "comm/communicator.hpp"
#include "comm/sections.hpp"
#include "config/config.hpp"
#include "model/head.hpp"
#include "model/trunk.hpp"
#include "objective/msn_loss.hpp"
#include "objective/schedules.hpp"
#include "train/state.hpp"

namespace msn {

/// This rank's share of a step. A group without views is left out by an undefined `patches`.
struct StepInput {
  ViewGroup target;  ///< Never masked.
  ViewGroup random;  ///< Anchor views of the target's size, view-major, masked.
  ViewGroup focal;   ///< Small anchor views, view-major.
};

struct StepReport {
  LossResult objective;
  at::Tensor z;          ///< Anchors' embeddings [anchor rows, head_out].
  at::Tensor h;          ///< Targets' embeddings [samples, head_out].
  double grad_norm = 0;  ///< Global 2-norm of the encoder's averaged gradients, before clipping.
};

/// Runs steps on one state. The step's code is the same for float32 and float64: the state's type decides.
class Stepper {
 public:
  /// `state`, `communicator` and `sections`, which it enters if they are given, must outlive it. Throws config_error if
  /// the prior's file is refused.
  Stepper(TrainState& state, const Config& config, const Communicator& communicator, Sections* sections = nullptr);

  /// Forward, backward, reduction over ranks, clipping, AdamW, EMA. The reduced gradients, unclipped, stay in
  /// state.online.gradients() until the next step. Throws numerics_error, on every rank alike and before any weight has
  /// changed, if the gradients are not finite.
  StepReport run(const StepInput& input, const ScheduleValues& schedule);

 private:
  void forward_backward(const StepInput& input, double sharpen, StepReport& report);
  void reduce_gradients();
  double encoder_gradient_norm() const;
  void update(double grad_norm, const ScheduleValues& schedule);

  TrainState& state_;
  const LossConfig loss_;
  const double clip_;
  const bool freeze_prototypes_;
  const at::Tensor log_prior_;  ///< float64 [K]
  const Communicator& communicator_;
  Sections* const sections_;
  Trunk online_trunk_;
  Trunk target_trunk_;
  Head online_head_;
  Head target_head_;
};

}  // namespace msn
