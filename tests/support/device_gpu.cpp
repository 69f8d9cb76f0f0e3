// SPDX-License-Identifier: Apache-2.0
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

#include "comm/device_communicator.hpp"
#include "comm/devices.hpp"
#include "kernels/device/session.hpp"
#include "support/device.hpp"
#include "support/mpi.hpp"

namespace msn::test {

c10::Device device() {
  static const c10::Device bound = [] {
    bind_gpu(world(), visible_gpus());
    return c10::impl::VirtualGuardImpl(c10::kCUDA).getDevice();
  }();
  static std::optional<kernels::device::KokkosSession> kokkos;
  if (kernels::device::computes_on_gpu() && !kokkos) kokkos.emplace(bound.index());
  return bound;
}

std::unique_ptr<Communicator> device_communicator() {
  device();
  return make_device_communicator(world());
}

}  // namespace msn::test
