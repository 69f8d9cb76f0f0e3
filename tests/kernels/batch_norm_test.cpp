// SPDX-License-Identifier: Apache-2.0
#include "kernels/batch_norm.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <cmath>
#include <limits>
#include <vector>

#include "support/kernels.hpp"

namespace msn {
namespace {

// 131 rows are two whole blocks and a part, 165 columns a piece, vectors and a part of one.
constexpr std::int64_t kRows = 131, kWidth = 165;
constexpr double kEps = 1e-5;

double normal_below(double x) {
  return 0.5 * std::erfc(-x * std::sqrt(0.5));
}
double normal_density(double x) {
  return std::exp(-0.5 * x * x) / std::sqrt(2 * std::acos(-1.0));
}

/// Mean and sum of squared deviations of a column, plainly.
std::pair<double, double> moments_of(const std::vector<double>& x, std::int64_t begin, std::int64_t end,
                                     std::int64_t column) {
  double mean = 0, squares = 0;
  for (std::int64_t row = begin; row < end; ++row)
    mean += x[static_cast<std::size_t>(row * kWidth + column)];
  mean /= static_cast<double>(end - begin);
  for (std::int64_t row = begin; row < end; ++row)
    squares += std::pow(x[static_cast<std::size_t>(row * kWidth + column)] - mean, 2);
  return {mean, squares};
}

/// What T makes of numbers, in double precision again.
template <class T>
std::vector<double> rounded(const std::vector<double>& values) {
  const std::vector<T> in = test::stored<T>(values);
  return {in.begin(), in.end()};
}

template <class T>
void compare_moments(kernels::InstructionSet set, double tolerance) {
  // Means of up to a thousand standard deviations: squares without means taken off would lose everything.
  std::vector<double> x = test::uniform(kRows * kWidth, -1, 1, 1);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] += 5.0 * static_cast<double>(i % kWidth);
  x = rounded<T>(x);
  const auto in = test::stored<T>(x);
  std::vector<double> whole(kernels::moments_length(kWidth)), first(whole.size()), rest(whole.size());
  kernels::column_moments<T>(kRows, kWidth, in.data(), whole.data(), set);
  // In two parts, the second of one row.
  kernels::column_moments<T>(kRows - 1, kWidth, in.data(), first.data(), set);
  kernels::column_moments<T>(1, kWidth, in.data() + (kRows - 1) * kWidth, rest.data(), set);
  kernels::combine_moments(kWidth, rest.data(), first.data());
  // Nothing and something make something.
  std::vector<double> none(whole.size());
  kernels::combine_moments(kWidth, whole.data(), none.data());
  EXPECT_EQ(none, whole);
  for (const std::vector<double>* moments : {&whole, &first}) {
    EXPECT_EQ(moments->front(), kRows);
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const auto [mean, squares] = moments_of(x, 0, kRows, i);
      const auto at = static_cast<std::size_t>(i);
      EXPECT_NEAR((*moments)[1 + at], mean, tolerance * (1 + std::abs(mean)) * 0.1) << i;
      EXPECT_NEAR((*moments)[1 + kWidth + at], squares, tolerance * squares) << i;
    }
  }
}

TEST(BatchNorm, EveryInstructionSetGivesTheMoments) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    compare_moments<float>(set, 2e-6);
    compare_moments<double>(set, 1e-13);
  }
}

/// Inputs of one norm, as T holds them.
template <class T>
struct Problem {
  std::vector<T> x, dy, mean, inverse_std, weight, bias;

  Problem()
      : x(test::stored<T>(test::uniform(kRows * kWidth, -4, 6, 1))),
        dy(test::stored<T>(test::uniform(kRows * kWidth, -1, 1, 2))),
        weight(test::stored<T>(test::uniform(kWidth, -2, 2, 3))),
        bias(test::stored<T>(test::uniform(kWidth, -1, 1, 4))) {
    const std::vector<double> plain(x.begin(), x.end());
    for (std::int64_t i = 0; i < kWidth; ++i) {
      const auto [mean_of_column, squares] = moments_of(plain, 0, kRows, i);
      mean.push_back(static_cast<T>(mean_of_column));
      inverse_std.push_back(static_cast<T>(1 / std::sqrt(squares / kRows + kEps)));
    }
  }
  kernels::BatchNorm<T> norm() const { return {mean.data(), inverse_std.data(), weight.data(), bias.data()}; }
};

/// What the backward pass of T gives.
template <class T>
struct Gradients {
  std::vector<T> activated, gradient, dx;
  std::vector<double> sums;

  Gradients(const Problem<T>& problem, kernels::InstructionSet set)
      : activated(problem.x.size()), gradient(problem.dy), sums(2 * kWidth) {
    kernels::batch_norm_gelu_backward<T>(kRows, kWidth, problem.x.data(), problem.norm(), gradient.data(),
                                         activated.data(), sums.data(), set);
    std::vector<T> means;
    for (std::size_t i = 0; i < sums.size(); ++i)
      means.push_back(static_cast<T>(sums[i] * problem.weight[i % kWidth] / kRows));
    dx = gradient;
    kernels::batch_norm_backward<T>(kRows, kWidth, problem.x.data(), problem.norm(), means.data(), dx.data(), set);
  }
};

template <class T>
void compare_passes(kernels::InstructionSet set, double tolerance) {
  const Problem<T> problem;
  std::vector<T> activated(problem.x.size());
  kernels::batch_norm_gelu<T>(kRows, kWidth, problem.x.data(), problem.norm(), activated.data(), set);
  const Gradients<T> got(problem, set);
  for (std::size_t column = 0; column < kWidth; ++column) {
    double dbias = 0, dweight = 0;
    std::vector<double> normed, d;
    for (std::size_t row = 0; row < kRows; ++row) {
      const std::size_t i = row * kWidth + column;
      normed.push_back((static_cast<double>(problem.x[i]) - problem.mean[column]) * problem.inverse_std[column]);
      const double value = normed.back() * problem.weight[column] + problem.bias[column];
      EXPECT_NEAR(activated[i], value * normal_below(value), tolerance) << i;
      EXPECT_NEAR(got.activated[i], activated[i], tolerance) << i;
      d.push_back(problem.dy[i] * (normal_below(value) + value * normal_density(value)));
      EXPECT_NEAR(got.gradient[i], d.back(), tolerance) << i;
      dbias += d.back();
      dweight += d.back() * normed.back();
    }
    EXPECT_NEAR(got.sums[column], dbias, 30 * tolerance) << column;
    EXPECT_NEAR(got.sums[kWidth + column], dweight, 30 * tolerance) << column;
    for (std::size_t row = 0; row < kRows; ++row) {
      const double dnormed = (d[row] - dbias / kRows - normed[row] * dweight / kRows) * problem.weight[column];
      EXPECT_NEAR(got.dx[row * kWidth + column], dnormed * problem.inverse_std[column], tolerance) << row;
    }
  }
}

TEST(BatchNorm, EveryInstructionSetGivesTheActivationAndItsGradients) {
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    compare_passes<float>(set, 2e-6);
    compare_passes<double>(set, 1e-13);
  }
}

// The gradient of Σ dy GELU(norm(x)), with the statistics as functions of x, is the slope of that sum.
TEST(BatchNorm, TheGradientIsTheSlope) {
  const Problem<double> problem;
  const Gradients<double> got(problem, kernels::instruction_set());
  const auto loss_of_column = [&](const std::vector<double>& x, std::int64_t column) {
    const auto [mean, squares] = moments_of(x, 0, kRows, column);
    double loss = 0;
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto i = static_cast<std::size_t>(row * kWidth + column), c = static_cast<std::size_t>(column);
      const double value = (x[i] - mean) / std::sqrt(squares / kRows + kEps) * problem.weight[c] + problem.bias[c];
      loss += problem.dy[i] * value * normal_below(value);
    }
    return loss;
  };
  std::vector<double> x = problem.x;
  for (std::int64_t i = 0; i < kRows * kWidth; i += 97) {
    double& moved = x[static_cast<std::size_t>(i)];
    const double kept = moved, step = 1e-5;
    moved = kept + step;
    const double above = loss_of_column(x, i % kWidth);
    moved = kept - step;
    const double below = loss_of_column(x, i % kWidth);
    moved = kept;
    EXPECT_NEAR(got.dx[static_cast<std::size_t>(i)], (above - below) / (2 * step), 1e-8) << i;
  }
}

TEST(BatchNorm, BitsDoNotDependOnThreads) {
  const Problem<float> problem;
  const int before = omp_get_max_threads();
  std::vector<Gradients<float>> got;
  std::vector<std::vector<double>> moments;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    got.emplace_back(problem, kernels::instruction_set());
    moments.emplace_back(kernels::moments_length(kWidth));
    kernels::column_moments<float>(kRows, kWidth, problem.x.data(), moments.back().data());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(got[0].sums, got[1].sums);
  EXPECT_EQ(got[0].dx, got[1].dx);
  EXPECT_EQ(moments[0], moments[1]);
}

TEST(BatchNorm, WhatIsNotFiniteIsSeen) {
  constexpr std::size_t bad = 3 * kWidth + 5;
  for (const kernels::InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      Problem<float> problem;
      problem.dy[bad] = value;
      const Gradients<float> got(problem, set);
      EXPECT_FALSE(std::isfinite(got.sums[5]));
      EXPECT_TRUE(std::isfinite(got.sums[6]));
      for (std::size_t row = 0; row < kRows; ++row)
        EXPECT_FALSE(std::isfinite(got.dx[row * kWidth + 5]));
      problem.x[bad] = value;
      std::vector<double> moments(kernels::moments_length(kWidth));
      kernels::column_moments<float>(kRows, kWidth, problem.x.data(), moments.data(), set);
      EXPECT_FALSE(std::isfinite(moments[1 + 5]));
      EXPECT_FALSE(std::isfinite(moments[1 + kWidth + 5]));
      EXPECT_TRUE(std::isfinite(moments[1 + kWidth + 6]));
      problem.x[bad] = std::nanf("");
      std::vector<float> activated(problem.x.size());
      kernels::batch_norm_gelu<float>(kRows, kWidth, problem.x.data(), problem.norm(), activated.data(), set);
      for (std::size_t i = 0; i < activated.size(); ++i)
        EXPECT_EQ(std::isnan(activated[i]), i == bad) << i;
    }
  }
}

}  // namespace
}  // namespace msn
