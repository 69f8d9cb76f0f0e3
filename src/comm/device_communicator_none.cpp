// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "comm/device_communicator.hpp"

namespace msn {

std::unique_ptr<Communicator> make_device_communicator(const World&) {
  throw AgreedError(
      usage_error("this build of msn has no CUDA", "ranks on GPUs", "build the preset cuda, or use the processors"));
}

std::string device_communicator_name() {
  return {};
}

}  // namespace msn
