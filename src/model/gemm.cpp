// SPDX-License-Identifier: Apache-2.0
#include "model/gemm.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

namespace msn {

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  return at::mm(a, b);
}

void add_product(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  if (out.scalar_type() == a.scalar_type()) {
    out.addmm_(a, b);
  } else {
    out.add_(at::mm(a, b));
  }
}

}  // namespace msn
