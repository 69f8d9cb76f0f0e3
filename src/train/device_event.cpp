// SPDX-License-Identifier: Apache-2.0
#include "train/device_event.hpp"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace msn {

DeviceEvent::DeviceEvent(at::Device device) : device_(device) {
  if (!device.is_cpu()) event_.emplace(device.type());
}

void DeviceEvent::record() {
  if (event_) event_->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

void DeviceEvent::block() const {
  if (event_) event_->block(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

bool DeviceEvent::is_past() const {
  return !event_ || event_->query();
}

void DeviceEvent::wait() const {
  if (event_) event_->synchronize();
}

}  // namespace msn
