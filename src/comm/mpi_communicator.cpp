// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi_communicator.hpp"

#include <ATen/ops/empty.h>

#include <span>
#include <utility>

#include "base/error.hpp"

namespace msn {

namespace {

class Started : public Work {
 public:
  Started(AsyncCollectives& collectives, AsyncCollectives::Handle operation)
      : collectives_(collectives), operation_(std::move(operation)) {}
  void wait() override { collectives_.wait(operation_); }
  double seconds() const override { return AsyncCollectives::seconds(operation_); }

 private:
  AsyncCollectives& collectives_;
  const AsyncCollectives::Handle operation_;
};

Values values_of(const at::Tensor& tensor) {
  MSN_CHECK(tensor.is_cpu() && tensor.is_contiguous());
  const auto count = static_cast<std::size_t>(tensor.numel());
  if (tensor.scalar_type() == at::kFloat) return std::span(tensor.mutable_data_ptr<float>(), count);
  if (tensor.scalar_type() == at::kBFloat16) {
    return std::span(static_cast<kernels::Bf16*>(tensor.mutable_data_ptr()), count);
  }
  MSN_CHECK(tensor.scalar_type() == at::kDouble);
  return std::span(tensor.mutable_data_ptr<double>(), count);
}

}  // namespace

MpiCommunicator::MpiCommunicator(const World& world, CollectiveOptions options)
    : world_(world), collectives_(std::make_unique<AsyncCollectives>(world, options)) {}

std::unique_ptr<Work> MpiCommunicator::start_sum(const at::Tensor& tensor, const std::string& what) const {
  auto keep = std::make_shared<at::Tensor>(tensor);
  return std::make_unique<Started>(*collectives_, collectives_->start_sum(values_of(tensor), what, std::move(keep)));
}

std::unique_ptr<Work> MpiCommunicator::start_gather(const at::Tensor& tensor, const at::Tensor& all,
                                                    const std::string& what) const {
  auto keep = std::make_shared<std::pair<at::Tensor, at::Tensor>>(tensor, all);
  return std::make_unique<Started>(
      *collectives_, collectives_->start_gather(values_of(tensor), values_of(all), what, std::move(keep)));
}

void MpiCommunicator::sum(const at::Tensor& tensor, const std::string& what) const {
  collectives_->sum(values_of(tensor), what);
}

at::Tensor MpiCommunicator::gather(const at::Tensor& tensor, const std::string& what) const {
  const at::Tensor all = at::empty({size(), tensor.numel()}, tensor.options());
  collectives_->gather(values_of(tensor), values_of(all), what);
  return all;
}

}  // namespace msn
