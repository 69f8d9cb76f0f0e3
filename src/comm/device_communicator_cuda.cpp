// SPDX-License-Identifier: Apache-2.0
#include "comm/device_communicator.hpp"
#include "comm/nccl_communicator.hpp"
#include "comm/nccl_link.hpp"

namespace msn {

std::unique_ptr<Communicator> make_device_communicator(const World& world) {
  return std::make_unique<NcclCommunicator>(world);
}

std::string device_communicator_name() {
  return "NCCL " + nccl_version();
}

}  // namespace msn
