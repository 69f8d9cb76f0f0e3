// SPDX-License-Identifier: Apache-2.0
// Where the tests of devices run: in host memory, or, where a test is linked with device_gpu.cpp, on this rank's GPU.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "comm/communicator.hpp"

namespace msn::test {

/// Bound at the first call, by all ranks.
c10::Device device();

/// Of tensors on device(), over all ranks.
std::unique_ptr<Communicator> device_communicator();

}  // namespace msn::test
