// SPDX-License-Identifier: Apache-2.0
#include "objective/sinkhorn.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include "kernels/prototype_loss.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
#include "objective/torch_loss.hpp"

namespace msn {
namespace {

template <class T>
at::Tensor balance(const at::Tensor& targets, double total, int iterations, const Communicator& communicator) {
  const std::int64_t rows = targets.size(0), prototypes = targets.size(1);
  const double all_rows = static_cast<double>(rows) * communicator.size();
  at::Tensor q = targets.clone(at::MemoryFormat::Contiguous);
  const at::Tensor sums = at::empty({prototypes}, at::kDouble);
  kernels::column_sums<T>(rows, prototypes, elements<T>(q), sums.mutable_data_ptr<double>());
  double of_all = total;  // The sum of q over all ranks.
  for (int i = 0; i < iterations; ++i) {
    const at::Tensor mass = sums / of_all;  // Of every prototype over the global batch.
    communicator.sum(mass, "Sinkhorn");
    const at::Tensor factors = (mass * (static_cast<double>(prototypes) * of_all)).reciprocal_().to(q.scalar_type());
    kernels::balance_rows<T>(rows, prototypes, elements<T>(factors), elements<T>(q), sums.mutable_data_ptr<double>());
    of_all = all_rows;
  }
  return q;
}

}  // namespace

at::Tensor sinkhorn(const at::Tensor& targets, const at::Tensor& total, int iterations,
                    const Communicator& communicator) {
  if (kernel_form(targets) != KernelForm::rows) return torch_sinkhorn(targets, total, iterations, communicator);
  const double of_all = total.item<double>();
  return targets.scalar_type() == at::kFloat ? balance<float>(targets, of_all, iterations, communicator)
                                             : balance<double>(targets, of_all, iterations, communicator);
}

}  // namespace msn
