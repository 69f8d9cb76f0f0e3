// SPDX-License-Identifier: Apache-2.0
#include "objective/schedules.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace msn {
namespace {

double half_cosine(double from, double to, double progress) {
  return to + (from - to) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace

Schedules::Schedules(const OptimConfig& optim, const LossConfig& loss, const TrainConfig& train,
                     std::int64_t steps_per_epoch)
    : optim_(optim), loss_(loss) {
  const auto steps = static_cast<double>(steps_per_epoch);
  if (optim.lr_reference_batch > 0) lr_scale_ = static_cast<double>(train.global_batch) / optim.lr_reference_batch;
  warmup_steps_ = std::trunc(optim.warmup_epochs * steps);
  linear_length_ = steps * train.epochs * optim.schedule_stretch;
  length_ = std::trunc(linear_length_);
}

ScheduleValues Schedules::at(std::int64_t step) const {
  const double moved = static_cast<double>(step) + 1;
  const auto [start, peak, final] = optim_.lr;
  ScheduleValues values;
  if (moved < warmup_steps_) {
    values.lr = start + moved / warmup_steps_ * (peak - start);
  } else {
    const double progress = (moved - warmup_steps_) / std::max(1.0, length_ - warmup_steps_);
    values.lr = std::max(final, half_cosine(peak, final, progress));
  }
  values.lr *= lr_scale_;
  values.weight_decay = half_cosine(optim_.weight_decay[0], optim_.weight_decay[1], moved / length_);
  const double linear = static_cast<double>(step) / linear_length_;
  values.ema_momentum = optim_.ema[0] + (optim_.ema[1] - optim_.ema[0]) * linear;
  values.sharpen = loss_.sharpen[0] + (loss_.sharpen[1] - loss_.sharpen[0]) * linear;
  return values;
}

}  // namespace msn
