// SPDX-License-Identifier: Apache-2.0
// Collectives on tensors where they live. This implementation serves host tensors over MPI.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/world.hpp"

namespace msn {

class Communicator {
 public:
  explicit Communicator(const World& world) : world_(world) {}

  int rank() const { return world_.rank(); }
  int size() const { return world_.size(); }

  /// In-place sum over ranks, added in rank order: the same bits on every rank and for any message size. `tensor` is a
  /// contiguous float32 or float64 tensor on the host, of the same shape on every rank.
  void sum(const at::Tensor& tensor) const;

  /// [ranks, elements of `tensor`]: every rank's values, flat, in rank order. float64, contiguous, on the host.
  at::Tensor gather(const at::Tensor& tensor) const;

 private:
  const World& world_;
};

}  // namespace msn
