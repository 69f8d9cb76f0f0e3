// SPDX-License-Identifier: Apache-2.0
#include "kernels/gelu.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/kernels.hpp"

namespace msn {
namespace {

using kernels::Bf16;

double gelu(double x) {
  return x * 0.5 * std::erfc(-x * std::sqrt(0.5));
}

double gelu_slope(double x) {
  return 0.5 * std::erfc(-x * std::sqrt(0.5)) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0));
}

// 131 rows are two whole blocks and a part, 37 columns two vectors and a part.
constexpr std::int64_t kRows = 131, kWidth = 37;

/// Compares with double arithmetic; `relative` holds what storing in T loses, `absolute` what float arithmetic does.
template <class T>
void compare(kernels::InstructionSet set, double relative, double absolute) {
  const std::vector<double> x = test::uniform(kRows * kWidth, -9, 9, 1);
  const std::vector<double> dy = test::uniform(kRows * kWidth, -1, 1, 2);
  const std::vector<double> bias = test::uniform(kWidth, -1, 1, 3);
  const auto x_in = test::stored<T>(x), dy_in = test::stored<T>(dy);
  const auto bias_in = test::stored<kernels::Accumulate<T>>(bias);
  std::vector<T> y(x.size()), again(x.size()), dx(x.size());
  std::vector<kernels::Accumulate<T>> dbias(kWidth, 1);
  kernels::bias_gelu<T>(kRows, kWidth, x_in.data(), bias_in.data(), y.data(), set);
  kernels::bias_gelu_backward<T>(kRows, kWidth, dy_in.data(), x_in.data(), bias_in.data(), dx.data(), dbias.data(),
                                 again.data(), set);
  std::vector<double> sums(kWidth, 1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t column = i % kWidth;
    const double at = test::value(x_in[i]) + test::value(bias_in[column]);
    EXPECT_NEAR(test::value(y[i]), gelu(at), relative * std::abs(gelu(at)) + absolute) << at;
    EXPECT_EQ(test::value(again[i]), test::value(y[i])) << at;
    const double want = test::value(dy_in[i]) * gelu_slope(at);
    EXPECT_NEAR(test::value(dx[i]), want, relative * std::abs(want) + absolute) << at;
    sums[column] += want;
  }
  for (std::size_t i = 0; i < sums.size(); ++i)
    EXPECT_NEAR(dbias[i], sums[i], kRows * absolute) << i;
}

TEST(Gelu, EveryInstructionSetGivesTheFunctionAndItsGradient) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    compare<float>(set, 3e-7, 6e-7);
    compare<double>(set, 1e-14, 1e-14);
    // 1/256 by rounding, and what the function loses (row_math.hpp), which counts most where the slope is zero.
    compare<Bf16>(set, 1.0 / 256 + 4e-4, 1.5e-4);
  }
}

TEST(Gelu, WhatIsNotFiniteIsSeen) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    std::vector<float> x(32, 1.0F), bias(32), dx(32), dbias(32);
    x[3] = std::nanf("");
    const std::vector<float> dy(32, 1.0F);
    std::vector<float> y(32);
    kernels::bias_gelu<float>(1, 32, x.data(), bias.data(), y.data(), set);
    kernels::bias_gelu_backward<float>(1, 32, dy.data(), x.data(), bias.data(), dx.data(), dbias.data(), nullptr, set);
    for (std::size_t i = 0; i < 32; ++i) {
      EXPECT_EQ(std::isnan(y[i]), i == 3) << i;
      EXPECT_EQ(std::isnan(dx[i]), i == 3) << i;
      EXPECT_EQ(std::isnan(dbias[i]), i == 3) << i;
    }
  }
}

}  // namespace
}  // namespace msn
