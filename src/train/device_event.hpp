// SPDX-License-Identifier: Apache-2.0
// A place in the work of a device, for hosts that want to know when it is reached.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <optional>

namespace msn {

/// In host memory everything is done when it returns: there it is past at once.
class DeviceEvent {
 public:
  explicit DeviceEvent(at::Device device);

  /// Behind all that the device's current stream was given so far.
  void record();
  /// Whether the device has come there; true before the first record().
  bool is_past() const;
  /// Has the device's current stream wait for it before what it is given from here on.
  void block() const;
  /// Waits on the host.
  void wait() const;

 private:
  at::Device device_;
  std::optional<c10::Event> event_;
};

}  // namespace msn
