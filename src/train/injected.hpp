// SPDX-License-Identifier: Apache-2.0
// Damage on purpose, for tests only (base/inject.hpp): numbers that are not finite, and replicas that differ. N in the
// name of a point is the number of steps completed before.
#pragma once

#include "objective/msn_loss.hpp"
#include "train/state.hpp"

namespace msn {

/// Point "gradient-N": one element of this rank's gradient, of an encoder's tensor in the middle of the buffer, is
/// infinite before the backward pass adds to it and before it is reduced.
void inject_into_gradient(TrainState& state, std::uint64_t step, int rank);

/// Point "loss-N": this rank's loss is not a number, and so is its gradient. Point "loss-value-N": the loss alone.
void inject_into_loss(LossResult& loss, std::uint64_t step, int rank);

/// One bit of this rank's state flips, a low one of the fraction of an element in the middle of a tensor: points
/// "flip-weights-N", "flip-ema-N", "flip-prototypes-N", "flip-exp-avg-N", "flip-exp-avg-sq-N" and "flip-buffers-N".
void inject_into_state(TrainState& state, int rank);

}  // namespace msn
