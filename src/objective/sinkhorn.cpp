// SPDX-License-Identifier: Apache-2.0
#include "objective/sinkhorn.hpp"

#include <ATen/TensorOperators.h>

namespace msn {

at::Tensor sinkhorn(const at::Tensor& targets, double total, int iterations, const Communicator& communicator) {
  const auto prototypes = static_cast<double>(targets.size(1));
  const auto rows = static_cast<double>(targets.size(0)) * communicator.size();
  at::Tensor q = targets / total;
  for (int i = 0; i < iterations; ++i) {
    const at::Tensor mass = q.sum(0).to(at::kDouble);  // Of every prototype over the global batch.
    communicator.sum(mass, "Sinkhorn");
    q = q / (mass * prototypes).to(q.scalar_type());
    q = q / (q.sum(1, true) * rows);
  }
  return q * rows;
}

}  // namespace msn
