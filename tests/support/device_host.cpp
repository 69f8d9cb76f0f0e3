// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi_communicator.hpp"
#include "support/device.hpp"
#include "support/mpi.hpp"

namespace msn::test {

c10::Device device() {
  return c10::kCPU;
}

std::unique_ptr<Communicator> device_communicator() {
  return std::make_unique<MpiCommunicator>(world());
}

}  // namespace msn::test
