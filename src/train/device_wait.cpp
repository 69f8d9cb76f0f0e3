// SPDX-License-Identifier: Apache-2.0
#include "train/device_wait.hpp"

#include <algorithm>
#include <thread>

#include "base/seconds_since.hpp"

namespace msn {

namespace {

using Clock = std::chrono::steady_clock;

// A look costs about a microsecond. Who comes early by less than a sleep is not made late by one.
constexpr int kEagerLooks = 200;
constexpr std::chrono::microseconds kLeastSleep{20};
constexpr std::chrono::microseconds kGreatestSleep{500};

}  // namespace

void DeviceWait::until(const DeviceEvent& event) {
  until([&event] { return event.is_past(); });
}

void DeviceWait::until(const std::function<bool()>& is_past) {
  const Clock::time_point began = Clock::now();
  Clock::time_point checked = began;
  try {
    for (int looks = 0; !is_past(); ++looks) {
      if (Clock::now() - checked >= check_every_) {
        communicator_.check();
        checked = Clock::now();
      }
      if (looks < kEagerLooks) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(std::min(kGreatestSleep, kLeastSleep * (1 + (looks - kEagerLooks) / 16)));
      }
    }
  } catch (...) {
    static_cast<void>(communicator_.abort());
    throw;
  }
  seconds_ += seconds_since(began);
}

}  // namespace msn
