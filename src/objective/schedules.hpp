// SPDX-License-Identifier: Apache-2.0
// Learning rate, weight decay, EMA momentum and sharpening temperature as pure functions of the step: nothing to save,
// nothing to fast-forward.
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace msn {

/// What one step uses.
struct ScheduleValues {
  double lr = 0;
  double weight_decay = 0;
  double ema_momentum = 0;
  double sharpen = 0;  ///< Temperature T of the targets.
};

/// The official schedules, stretched over schedule_stretch times the run's length, so that training stops before their
/// end.
class Schedules {
 public:
  /// `steps_per_epoch` >= 1. The learning rates are scaled by global_batch / lr_reference_batch where that is set.
  Schedules(const OptimConfig& optim, const LossConfig& loss, const TrainConfig& train, std::int64_t steps_per_epoch);

  /// Values of the step with this index, from 0. lr: linear from start to peak over the warm-up, then a half cosine to
  /// final; weight decay: a half cosine; EMA momentum and temperature: linear. lr and weight decay of step i are the
  /// schedule's at i + 1 (the official scheduler moves before the first step) and over floor(stretch * steps) steps;
  /// the other two are at i and over the unrounded length.
  ScheduleValues at(std::int64_t step) const;

 private:
  OptimConfig optim_;
  LossConfig loss_;
  double lr_scale_ = 1;
  double warmup_steps_ = 0;
  double length_ = 0;         ///< Stretched steps, rounded down.
  double linear_length_ = 0;  ///< Stretched steps, not rounded.
};

}  // namespace msn
