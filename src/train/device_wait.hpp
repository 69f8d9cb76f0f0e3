// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include "comm/communicator.hpp"
#include "train/device_event.hpp"

namespace msn {

/// How a host waits for its device: it looks more and more rarely, and meanwhile asks the communicator for errors,
/// since a collective whose peer is gone waits on the device for ever. There is no limit: it is no sign of life to
/// wait, so that runtime.watchdog ends what takes too long.
class DeviceWait {
 public:
  /// `communicator` must outlive it.
  explicit DeviceWait(const Communicator& communicator,
                      std::chrono::milliseconds check_every = std::chrono::milliseconds(5))
      : communicator_(communicator), check_every_(check_every) {}

  /// Returns when the device has come to `event`. If the communicator or the device has met an error, the communicator
  /// is aborted, within its short limit, and the error thrown.
  void until(const DeviceEvent& event);
  /// The same for any condition that a device will fulfil.
  void until(const std::function<bool()>& is_past);

  /// Time that the host has spent in here.
  double seconds() const { return seconds_; }

 private:
  const Communicator& communicator_;
  const std::chrono::milliseconds check_every_;
  double seconds_ = 0;
};

}  // namespace msn
