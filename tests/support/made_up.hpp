// SPDX-License-Identifier: Apache-2.0
// Made-up tensors, and how close two forms of the same computation come.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/kernels.hpp"

namespace msn::test {

/// Numbers in (-1, 1), the same for the same seed.
inline at::Tensor made_up(at::IntArrayRef sizes, at::ScalarType type, std::uint32_t seed) {
  const at::Tensor made = at::empty(sizes, at::kDouble);
  const std::vector<double> values = uniform(made.numel(), -1, 1, seed);
  std::copy(values.begin(), values.end(), made.mutable_data_ptr<double>());
  return made.to(type);
}

/// ‖a - b‖ / ‖b‖, 0 if there is no difference.
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor want = b.to(at::kDouble);
  const double difference = (a.to(at::kDouble) - want).norm().item<double>();
  return difference == 0 ? 0 : difference / want.norm().item<double>();
}

/// That the same was computed, in activations of `type`: with other roundings, which bfloat16 has between operators.
inline void expect_close(const at::Tensor& got, const at::Tensor& want, at::ScalarType type) {
  ASSERT_EQ(got.sizes(), want.sizes());
  EXPECT_EQ(got.scalar_type(), want.scalar_type());
  EXPECT_LE(relative_error(got, want), type == at::kDouble ? 1e-13 : type == at::kFloat ? 2e-6 : 8e-3);
}

}  // namespace msn::test
