// SPDX-License-Identifier: Apache-2.0
#include "train/requests.hpp"

namespace msn {

using Clock = std::chrono::steady_clock;

Requests::Requests(std::optional<double> max_seconds) : max_seconds_(max_seconds), start_(Clock::now()) {}

Wishes Requests::poll() const {
  Wishes wishes;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (max_seconds_ && seconds >= *max_seconds_) wishes.stop = StopCause::time;
  return wishes;
}

}  // namespace msn
