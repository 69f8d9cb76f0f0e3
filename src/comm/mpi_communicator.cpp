// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi_communicator.hpp"

#include <span>

#include "base/error.hpp"
#include "comm/collectives.hpp"

namespace msn {

namespace {

class Done : public Work {
 public:
  void wait() override {}
};

template <class T>
std::span<T> values_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace

std::unique_ptr<Work> MpiCommunicator::start_sum(const at::Tensor& tensor, const std::string& what) const {
  MSN_CHECK(tensor.is_cpu() && tensor.is_contiguous());
  if (size() > 1) {
    const RecordedCollective record(world_.recorder(), Channel::tensors, CollectiveKind::sum, what, tensor.nbytes());
    if (tensor.scalar_type() == at::kFloat) {
      sum_in_rank_order(world_, values_of<float>(tensor));
    } else {
      sum_in_rank_order(world_, values_of<double>(tensor));
    }
  }
  return std::make_unique<Done>();
}

std::unique_ptr<Work> MpiCommunicator::start_gather(const at::Tensor& tensor, const at::Tensor& all,
                                                    const std::string& what) const {
  MSN_CHECK(tensor.is_cpu() && tensor.is_contiguous() && tensor.scalar_type() == at::kDouble);
  MSN_CHECK(all.is_cpu() && all.is_contiguous() && all.scalar_type() == at::kDouble);
  const RecordedCollective record(world_.recorder(), Channel::tensors, CollectiveKind::gather, what, tensor.nbytes());
  all_gather(world_, values_of<double>(tensor), values_of<double>(all));
  return std::make_unique<Done>();
}

}  // namespace msn
