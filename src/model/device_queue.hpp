// SPDX-License-Identifier: Apache-2.0
// From a tensor to the queue of its device.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/device/space.hpp"

namespace msn {

/// What kernels with that tensor go on: the current stream of its GPU; nullptr in host memory.
kernels::device::Queue device_queue(const at::Tensor& tensor);

}  // namespace msn
