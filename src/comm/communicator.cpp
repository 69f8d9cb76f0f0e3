// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"

#include <ATen/ops/empty.h>

namespace msn {

void Communicator::sum(const at::Tensor& tensor, const std::string& what) const {
  start_sum(tensor, what)->wait();
}

at::Tensor Communicator::gather(const at::Tensor& tensor, const std::string& what) const {
  const at::Tensor all = at::empty({size(), tensor.numel()}, tensor.options());
  start_gather(tensor, all, what)->wait();
  return all;
}

}  // namespace msn
