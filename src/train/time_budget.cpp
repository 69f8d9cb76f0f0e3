// SPDX-License-Identifier: Apache-2.0
#include "train/time_budget.hpp"

#include <algorithm>

namespace msn {

double slow_save_seconds(std::uint64_t bytes) {
  constexpr double bytes_a_second = 50e6;
  return 1 + static_cast<double>(bytes) / bytes_a_second;
}

void TimeBudget::add_step(double seconds) {
  constexpr std::size_t steps_kept = 20;
  steps_.push_back(seconds);
  if (steps_.size() > steps_kept) steps_.pop_front();
}

bool TimeBudget::is_spent(const Limit& limit, double save_seconds, Clock::time_point now) const {
  const double step = steps_.empty() ? 0 : *std::max_element(steps_.begin(), steps_.end());
  const double left = std::chrono::duration<double>(limit.end - now).count() - limit.margin;
  return left < 1.1 * (step + save_seconds);
}

}  // namespace msn
