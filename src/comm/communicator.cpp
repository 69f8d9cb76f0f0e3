// SPDX-License-Identifier: Apache-2.0
#include "comm/communicator.hpp"

#include <ATen/ops/empty.h>

#include <span>

#include "base/error.hpp"
#include "comm/collectives.hpp"

namespace msn {

void Communicator::sum(const at::Tensor& tensor) const {
  MSN_CHECK(tensor.is_cpu() && tensor.is_contiguous());
  if (size() == 1) return;
  const auto count = static_cast<std::size_t>(tensor.numel());
  if (tensor.scalar_type() == at::kFloat) {
    sum_in_rank_order(world_, std::span(tensor.mutable_data_ptr<float>(), count));
  } else {
    sum_in_rank_order(world_, std::span(tensor.mutable_data_ptr<double>(), count));
  }
}

at::Tensor Communicator::gather(const at::Tensor& tensor) const {
  MSN_CHECK(tensor.is_cpu() && tensor.is_contiguous() && tensor.scalar_type() == at::kDouble);
  const at::Tensor all = at::empty({size(), tensor.numel()}, tensor.options());
  all_gather(world_, std::span(tensor.const_data_ptr<double>(), static_cast<std::size_t>(tensor.numel())),
             std::span(all.mutable_data_ptr<double>(), static_cast<std::size_t>(all.numel())));
  return all;
}

}  // namespace msn
