// SPDX-License-Identifier: Apache-2.0
#include <c10/cuda/CUDAStream.h>

#include "model/device_queue.hpp"

namespace msn {

kernels::device::Queue device_queue(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return nullptr;
  return c10::cuda::getCurrentCUDAStream(tensor.device().index()).stream();
}

}  // namespace msn
