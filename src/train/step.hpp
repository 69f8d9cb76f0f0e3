// SPDX-License-Identifier: Apache-2.0
// One data-parallel MSN step.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/sections.hpp"
#include "config/config.hpp"
#include "model/head.hpp"
#include "model/trunk.hpp"
#include "objective/msn_loss.hpp"
#include "objective/schedules.hpp"
#include "train/device_optimizer.hpp"
#include "train/gradient_buckets.hpp"
#include "train/optimizer.hpp"
#include "train/state.hpp"
#include "train/step_on_device.hpp"

namespace msn {

/// This rank's share of a step. A group without views is left out by an undefined `patches`.
struct StepInput {
  ViewGroup target;  ///< Never masked.
  ViewGroup random;  ///< Anchor views of the target's size, view-major, masked.
  ViewGroup focal;   ///< Small anchor views, view-major.
};

struct StepReport {
  LossResult objective;            ///< Of a GPU's step only the parts.
  at::Tensor prototypes_used;      ///< float64 [K], in host memory: 1 for those that a target of this rank chose, else 0.
  at::Tensor z;                    ///< Anchors' embeddings [anchor rows, head_out]; not of a GPU's step.
  at::Tensor h;                    ///< Targets' embeddings [samples, head_out]; of a GPU's step the sample, float64 in
                                   ///< host memory, if there is one (StepOnDevice).
  double grad_norm = 0;            ///< Global 2-norm of the encoder's averaged gradients, before clipping.
  bool finite = true;              ///< Every rank's objective and the reduced gradients; the same on every rank.
  double reduce_seconds = 0;       ///< This rank's part in the sums of the gradients.
  double reduce_wait_seconds = 0;  ///< What of it no computation hid.
};

/// Runs steps on one state. The step's code is the same for all types: the state's decides, and train.precision whether
/// the trunk computes in bfloat16 beside float32.
class Stepper {
 public:
  /// `state`, `communicator` and `sections`, which it enters if they are given, must outlive it. `state` is loaded:
  /// from here on, only steps change its weights. Throws config_error if the prior's file is refused.
  Stepper(TrainState& state, const Config& config, const Communicator& communicator, Sections* sections = nullptr);

  /// How the gradients are summed over ranks.
  const GradientBuckets& buckets() const { return buckets_; }

  /// Forward, backward with the reduction over ranks beside it, clipping, AdamW, EMA; counts the step. The
  /// gradients, summed over ranks, unclipped, stay in state.online.gradients() until the next step. If the report says
  /// that the numbers are not finite, on any rank, the state is on every rank what it was: weights, EMA, moments,
  /// running statistics and counts.
  [[nodiscard]] StepReport run(const StepInput& input, const ScheduleValues& schedule);

  /// The same step without a wait for the state's device: it goes by what `device` holds and writes what it finds there.
  /// A captured graph may hold it. Counts nothing, on the device or on the host, but the batches of batch norms.
  /// `completed`: steps before it, for faults that tests inject.
  void enqueue(const StepInput& input, std::uint64_t completed, StepOnDevice& device);

 private:
  void zero_gradients();
  /// `sharpen` is a number of the host, or one on the device; then the report's numbers are not the host's either.
  template <class Sharpen>
  void forward_backward(const StepInput& input, const Sharpen& sharpen, std::uint64_t completed, StepReport& report);
  void finish_reduction(StepReport& report);

  TrainState& state_;
  const LossConfig loss_;
  const OptimizerOptions optimizer_;
  const int micro_batch_;
  const at::Tensor log_prior_;  ///< float64 [K], where the state is.
  const Communicator& communicator_;
  GradientBuckets buckets_;
  Sections* const sections_;
  const at::Tensor online_shadow_;  ///< The weights in bfloat16, in the layout of the flat buffer; undefined without.
  const at::Tensor target_shadow_;
  Trunk online_trunk_;
  Trunk target_trunk_;
  Head online_head_;
  Head target_head_;
  std::optional<DeviceOptimizer> device_optimizer_;  ///< Made by the first enqueue(), which runs eagerly.
};

}  // namespace msn
