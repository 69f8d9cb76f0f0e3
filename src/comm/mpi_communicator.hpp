// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "comm/async_collectives.hpp"
#include "comm/communicator.hpp"
#include "comm/world.hpp"

namespace msn {

/// Host tensors, float32, float64 or bfloat16, through AsyncCollectives, which see.
class MpiCommunicator : public Communicator {
 public:
  /// `world` must outlive it. All ranks call, with equal options.
  explicit MpiCommunicator(const World& world, CollectiveOptions options = {});

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }

  std::unique_ptr<Work> start_sum(const at::Tensor& tensor, const std::string& what) const override;
  std::unique_ptr<Work> start_gather(const at::Tensor& tensor, const at::Tensor& all,
                                     const std::string& what) const override;
  void sum(const at::Tensor& tensor, const std::string& what) const override;
  at::Tensor gather(const at::Tensor& tensor, const std::string& what) const override;

  double wait_seconds() const override { return collectives_->wait_seconds(); }
  void shutdown() override { collectives_->shutdown(); }

  /// Whether sums go on, on a thread of their own, while the caller computes.
  bool in_background() const { return collectives_->in_background(); }
  /// For people: by which path, and whether in the background.
  const std::string& description() const { return collectives_->description(); }

 private:
  const World& world_;
  const std::unique_ptr<AsyncCollectives> collectives_;
};

}  // namespace msn
