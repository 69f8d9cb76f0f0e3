// SPDX-License-Identifier: Apache-2.0
#include "kernels/layer_norm.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <vector>

#include "support/kernels.hpp"

namespace msn {
namespace {

using kernels::Accumulate;
using kernels::Bf16;

// Two whole blocks of rows and a part; two vectors of columns and a part.
constexpr std::int64_t kRows = 131, kWidth = 37;
constexpr double kEps = 1e-6;

template <class T>
struct Case {
  Case()
      : x(test::stored<T>(test::uniform(kRows * kWidth, -2, 3, 1))),
        branch(test::stored<T>(test::uniform(kRows * kWidth, -1, 1, 2))),
        dnormed(test::stored<T>(test::uniform(kRows * kWidth, -1, 1, 3))),
        dskip(test::stored<T>(test::uniform(kRows * kWidth, -1, 1, 4))),
        branch_bias(test::stored<A>(test::uniform(kWidth, -1, 1, 5))),
        row_scale(test::stored<A>(test::uniform(kRows, 0, 2, 6))),
        weight(test::stored<A>(test::uniform(kWidth, 0.5, 1.5, 7))),
        bias(test::stored<A>(test::uniform(kWidth, -1, 1, 8))),
        sum(x.size()),
        normed(x.size()),
        again(x.size()),
        dx(x.size()),
        dbranch(x.size()),
        mean(kRows),
        rstd(kRows),
        dweight(kWidth, 1),
        dbias(kWidth, 2),
        dbranch_bias(kWidth, 3) {}

  using A = Accumulate<T>;
  std::vector<T> x, branch, dnormed, dskip;
  std::vector<A> branch_bias, row_scale, weight, bias;
  std::vector<T> sum, normed, again, dx, dbranch;
  std::vector<A> mean, rstd, dweight, dbias, dbranch_bias;

  void run(kernels::InstructionSet set) {
    kernels::add_layer_norm<T>(
        kRows,
        {kWidth, x.data(), branch.data(), branch_bias.data(), row_scale.data(), sum.data(), weight.data(), bias.data(),
         static_cast<A>(kEps), mean.data(), rstd.data(), normed.data()},
        set);
    kernels::layer_norm_again<T>(
        kRows, {kWidth, sum.data(), mean.data(), rstd.data(), weight.data(), bias.data(), again.data()}, set);
    kernels::layer_norm_backward<T>(kRows,
                                    {kWidth, dnormed.data(), sum.data(), mean.data(), rstd.data(), weight.data(),
                                     dskip.data(), nullptr, dx.data(), row_scale.data(), dbranch.data()},
                                    dweight.data(), dbias.data(), dbranch_bias.data(), set);
  }
};

/// `stored`: what storing in T loses; `computed`: what arithmetic does.
template <class T>
void compare(kernels::InstructionSet set, double stored, double computed) {
  Case<T> c;
  c.run(set);
  std::vector<double> dweight(kWidth, 1), dbias(kWidth, 2), dbranch_bias(kWidth, 3);
  for (std::size_t row = 0; row < kRows; ++row) {
    const auto at = [&](const std::vector<T>& of, std::size_t i) { return test::value(of[row * kWidth + i]); };
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double want = at(c.x, i) + c.row_scale[row] * (at(c.branch, i) + c.branch_bias[i]);
      EXPECT_NEAR(at(c.sum, i), want, stored * std::abs(want) + computed);
      mean += at(c.sum, i) / kWidth;
    }
    for (std::size_t i = 0; i < kWidth; ++i)
      variance += std::pow(at(c.sum, i) - mean, 2) / kWidth;
    const double rstd = 1 / std::sqrt(variance + kEps);
    EXPECT_NEAR(c.mean[row], mean, computed);
    EXPECT_NEAR(c.rstd[row], rstd, computed);
    double total = 0, along = 0;
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double unit = (at(c.sum, i) - mean) * rstd;
      const double want = unit * c.weight[i] + c.bias[i];
      EXPECT_NEAR(at(c.normed, i), want, stored * std::abs(want) + computed);
      EXPECT_EQ(at(c.again, i), at(c.normed, i));
      total += at(c.dnormed, i) * c.weight[i] / kWidth;
      along += at(c.dnormed, i) * c.weight[i] * unit / kWidth;
      dweight[i] += at(c.dnormed, i) * unit;
      dbias[i] += at(c.dnormed, i);
    }
    for (std::size_t i = 0; i < kWidth; ++i) {
      const double unit = (at(c.sum, i) - mean) * rstd;
      const double want = rstd * (at(c.dnormed, i) * c.weight[i] - total - unit * along) + at(c.dskip, i);
      EXPECT_NEAR(at(c.dx, i), want, stored * std::abs(want) + computed);
      EXPECT_NEAR(at(c.dbranch, i), c.row_scale[row] * want, 2 * stored * std::abs(c.row_scale[row] * want) + computed);
      dbranch_bias[i] += c.row_scale[row] * want;
    }
  }
  for (std::size_t i = 0; i < kWidth; ++i) {
    EXPECT_NEAR(c.dweight[i], dweight[i], kRows * computed);
    EXPECT_NEAR(c.dbias[i], dbias[i], kRows * computed);
    EXPECT_NEAR(c.dbranch_bias[i], dbranch_bias[i], kRows * computed);
  }
}

TEST(LayerNorm, EveryInstructionSetGivesTheFunctionAndItsGradients) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    compare<float>(set, 2e-7, 2e-6);
    compare<double>(set, 1e-15, 1e-13);
    compare<Bf16>(set, 1.0 / 256, 2e-6);
  }
}

TEST(LayerNorm, AddsASkipToTheRowsThatHaveOne) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    Case<double> c;
    c.run(set);
    std::vector<std::int64_t> skip_row(kRows, -1);
    skip_row[5] = 130;
    std::vector<double> dx(c.dx.size()), sums(3 * kWidth);
    kernels::layer_norm_backward<double>(
        kRows,
        {kWidth, c.dnormed.data(), c.sum.data(), c.mean.data(), c.rstd.data(), c.weight.data(), c.dskip.data(),
         skip_row.data(), dx.data(), nullptr, nullptr},
        sums.data(), sums.data() + kWidth, nullptr, set);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const double skip = i / kWidth == 5 ? c.dskip[130 * kWidth + i % kWidth] : 0;
      EXPECT_NEAR(dx[i], c.dx[i] - c.dskip[i] + skip, 1e-13) << i;
    }
  }
}

TEST(LayerNorm, WorksInPlaceWithTheSameBitsForAnyNumberOfThreads) {
  Case<float> one, three;
  omp_set_num_threads(1);
  one.run(kernels::instruction_set());
  omp_set_num_threads(3);
  three.run(kernels::instruction_set());
  EXPECT_EQ(one.dweight, three.dweight);
  EXPECT_EQ(one.dbranch_bias, three.dbranch_bias);
  std::vector<float> in_place = one.branch;
  kernels::add_layer_norm<float>(
      kRows, {kWidth, one.x.data(), in_place.data(), one.branch_bias.data(), one.row_scale.data(), in_place.data(),
              one.weight.data(), one.bias.data(), static_cast<float>(kEps), one.mean.data(), one.rstd.data(),
              one.normed.data()});
  EXPECT_EQ(in_place, one.sum);
  std::vector<float> dskip = one.dskip;
  kernels::layer_norm_backward<float>(kRows,
                                      {kWidth, one.dnormed.data(), one.sum.data(), one.mean.data(), one.rstd.data(),
                                       one.weight.data(), dskip.data(), nullptr, dskip.data(), nullptr, nullptr},
                                      one.dweight.data(), one.dbias.data(), nullptr);
  EXPECT_EQ(dskip, one.dx);
}

}  // namespace
}  // namespace msn
