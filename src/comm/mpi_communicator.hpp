// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "comm/communicator.hpp"
#include "comm/world.hpp"

namespace msn {

/// Host tensors over MPI.
class MpiCommunicator : public Communicator {
 public:
  explicit MpiCommunicator(const World& world) : world_(world) {}

  int rank() const override { return world_.rank(); }
  int size() const override { return world_.size(); }

  std::unique_ptr<Work> start_sum(const at::Tensor& tensor, const std::string& what) const override;
  std::unique_ptr<Work> start_gather(const at::Tensor& tensor, const at::Tensor& all,
                                     const std::string& what) const override;

 private:
  const World& world_;
};

}  // namespace msn
