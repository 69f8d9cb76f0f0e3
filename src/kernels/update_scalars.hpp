// SPDX-License-Identifier: Apache-2.0
// The numbers of an AdamW step on a device.
#pragma once

namespace msn::kernels {

/// What an update reads that changes from step to step, so many float64 one after the other in the device's memory: a
/// captured graph finds the new values in the same place, and what only the device knows never visits the host. The
/// host writes the first five before a step, the device the others within it.
struct UpdateScalars {
  double lr;
  double weight_decay;
  double ema_momentum;    ///< Of the target network.
  double correction1;     ///< 1 - beta1^t of Adam's first moment, t from 1.
  double correction2;     ///< 1 - beta2^t of its second.
  double clip_factor;     ///< Of the encoder's averaged gradients; kernels::clip_factor of their norm.
  double alive;           ///< 1; or 0: the update writes nothing, for numbers were not finite.
};
inline constexpr int kUpdateScalars = sizeof(UpdateScalars) / sizeof(double);

}  // namespace msn::kernels
