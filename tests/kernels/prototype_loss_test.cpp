// SPDX-License-Identifier: Apache-2.0
#include "kernels/prototype_loss.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "support/kernels.hpp"

namespace msn {
namespace {

using kernels::InstructionSet;
using kernels::Prediction;
using Row = std::vector<double>;

// 39 rows, three targets each, are two whole blocks and a part; 165 columns are vectors and a part of one.
constexpr std::int64_t kRows = 39, kSamples = 13, kWidth = 165;
constexpr auto kColumns = static_cast<std::size_t>(kWidth);

/// Row r of a matrix, as double.
template <class T>
Row row_of(const std::vector<T>& matrix, std::size_t r) {
  const auto first = matrix.begin() + static_cast<std::ptrdiff_t>(r * kColumns);
  return {first, first + kWidth};
}

double sum_of(const Row& row) {
  return std::accumulate(row.begin(), row.end(), 0.0);
}

Row predict(const Row& cosines, const Prediction& how) {
  Row p;
  for (const double cosine : cosines)
    p.push_back(std::exp((cosine - 1) / how.temperature));
  const double total = sum_of(p);
  for (double& value : p)
    value = value / total * (1 - how.smoothing) + how.smoothing / kWidth;
  return p;
}

Row sharpen(Row p, double temperature) {
  for (double& value : p)
    value = std::pow(value, 1 / temperature);
  const double total = sum_of(p);
  for (double& value : p)
    value /= total;
  return p;
}

template <class T>
struct Problem {
  std::vector<T> cosines = test::stored<T>(test::uniform(kRows * kWidth, -1, 1, 1));
  std::vector<T> targets = test::stored<T>(test::uniform(kSamples * kWidth, 0, 0.02, 2));
  std::vector<T> slopes = test::stored<T>(test::uniform(kWidth, -2, 2, 3));
  Prediction how;
  double entropy = 0;
};

/// What kernels make of a problem.
template <class T>
struct Solution {
  std::vector<T> gradient, sharpened;
  Row sums = Row(kColumns, -7);
  double entropy = 0, cross_entropy = 0, total = 0;

  Solution(const Problem<T>& problem, InstructionSet set) : gradient(problem.cosines), sharpened(problem.cosines) {
    std::vector<kernels::RowSoftmax<T>> softmax(kRows);
    entropy =
        kernels::anchor_predictions<T>(kRows, kWidth, problem.how, gradient.data(), softmax.data(), sums.data(), set);
    const kernels::AnchorLoss<T> loss{problem.targets.data(), kSamples, problem.slopes.data(), problem.entropy, 0.5};
    cross_entropy =
        kernels::anchor_gradients<T>(kRows, kWidth, problem.how, loss, softmax.data(), gradient.data(), set);
    total = kernels::sharpened_predictions<T>(kRows, kWidth, problem.how, 0.25, sharpened.data(), set);
  }
};

/// The loss of one anchor as AnchorLoss has it.
double loss_of(const Row& cosines, const Row& targets, const Row& slopes, const Prediction& how, double entropy) {
  const Row p = predict(cosines, how);
  double loss = 0;
  for (std::size_t i = 0; i < kColumns; ++i)
    loss += -targets[i] * std::log(p[i]) + slopes[i] * p[i] - entropy * p[i] * std::log(p[i]);
  return loss;
}

/// Its gradient with respect to the cosines, by the chain rule through p and the softmax.
Row gradient_of(const Row& cosines, const Row& targets, const Row& slopes, const Prediction& how, double entropy) {
  const Row p = predict(cosines, how), softmax = predict(cosines, {how.temperature, 0});
  Row dp;
  double mean = 0;
  for (std::size_t i = 0; i < kColumns; ++i) {
    dp.push_back((-targets[i] / p[i] + slopes[i] - entropy * (std::log(p[i]) + 1)) * (1 - how.smoothing));
    mean += softmax[i] * dp[i];
  }
  for (std::size_t i = 0; i < kColumns; ++i)
    dp[i] = softmax[i] * (dp[i] - mean) / how.temperature;
  return dp;
}

template <class T>
void compare(const Problem<T>& problem, InstructionSet set, double tolerance) {
  const Solution<T> got(problem, set);
  const Row slopes(problem.slopes.begin(), problem.slopes.end());
  Row sums(kColumns);
  double entropy = 0, cross_entropy = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    const Row cosines = row_of(problem.cosines, r), targets = row_of(problem.targets, r % kSamples);
    const Row p = predict(cosines, problem.how), sharpened = sharpen(p, 0.25);
    const Row gradient = gradient_of(cosines, targets, slopes, problem.how, problem.entropy);
    const Row got_gradient = row_of(got.gradient, r), got_sharpened = row_of(got.sharpened, r);
    for (std::size_t i = 0; i < kColumns; ++i) {
      sums[i] += p[i];
      entropy -= p[i] * std::log(p[i]);
      cross_entropy -= targets[i] * std::log(p[i]);
      EXPECT_NEAR(got_gradient[i], 0.5 * gradient[i], tolerance * 10) << r << ' ' << i;
      EXPECT_NEAR(got_sharpened[i], sharpened[i], tolerance) << r << ' ' << i;
    }
  }
  for (std::size_t i = 0; i < kColumns; ++i)
    EXPECT_NEAR(got.sums[i], sums[i], tolerance * kRows) << i;
  EXPECT_NEAR(got.entropy, entropy, tolerance * kRows * 10);
  EXPECT_NEAR(got.cross_entropy, cross_entropy, tolerance * kRows * 10);
  EXPECT_NEAR(got.total, kRows, tolerance * kRows);
}

TEST(PrototypeLoss, EveryInstructionSetGivesPredictionsAndGradients) {
  for (const InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    for (const Prediction how : {Prediction{0.1, 0}, Prediction{0.5, 0}, Prediction{0.1, 0.2}}) {
      for (const double entropy : {0.0, 0.3}) {
        SCOPED_TRACE(testing::Message() << how.temperature << ' ' << how.smoothing << ' ' << entropy);
        Problem<float> in_float;
        in_float.how = how;
        in_float.entropy = entropy;
        compare(in_float, set, 2e-6);
        Problem<double> in_double;
        in_double.how = how;
        in_double.entropy = entropy;
        compare(in_double, set, 1e-13);
      }
    }
  }
}

TEST(PrototypeLoss, TheGradientIsTheSlope) {
  for (const double smoothing : {0.0, 0.2}) {
    Problem<double> problem;
    problem.how = {0.3, smoothing};
    problem.entropy = 0.7;
    const Solution<double> got(problem, kernels::instruction_set());
    for (std::size_t i = 0; i < problem.cosines.size(); i += 211) {
      const std::size_t r = i / kColumns;
      const auto loss = [&](double step) {
        Row cosines = row_of(problem.cosines, r);
        cosines[i % kColumns] += step;
        return loss_of(cosines, row_of(problem.targets, r % kSamples), problem.slopes, problem.how, problem.entropy);
      };
      EXPECT_NEAR(got.gradient[i], 0.5 * (loss(1e-5) - loss(-1e-5)) / 2e-5, 1e-8) << i;
    }
  }
}

// exp((cosine - 1) / temperature) would be zero of all.
TEST(PrototypeLoss, ColdPredictionsStayFinite) {
  for (const InstructionSet set : test::instruction_sets()) {
    Problem<float> problem;
    problem.how = {0.001, 0};
    const Solution<float> got(problem, set);
    EXPECT_TRUE(std::isfinite(got.cross_entropy) && std::isfinite(got.entropy));
    EXPECT_NEAR(got.total, kRows, 1e-4);
    EXPECT_NEAR(sum_of(got.sums), kRows, 1e-4);
  }
}

template <class T>
void compare_unit_rows(InstructionSet set, double tolerance) {
  std::vector<T> x = test::stored<T>(test::uniform(kRows * kWidth, -3, 3, 1));
  std::fill_n(x.begin(), kWidth, T(0));  // A row without a direction.
  std::vector<T> unit(x.size()), inverse(kRows);
  std::vector<T> gradient = test::stored<T>(test::uniform(kRows * kWidth, -1, 1, 2));
  const std::vector<T> dunit = gradient;
  kernels::normalise_rows<T>(kRows, kWidth, x.data(), unit.data(), inverse.data(), set);
  kernels::normalise_rows_backward<T>(kRows, kWidth, unit.data(), inverse.data(), gradient.data(), set);
  EXPECT_NEAR(inverse[0], 1e12, 1e6);
  for (std::size_t r = 0; r < kRows; ++r) {
    const Row in = row_of(x, r), d = row_of(dunit, r);
    const double norm = std::max(1e-12, std::sqrt(std::inner_product(in.begin(), in.end(), in.begin(), 0.0)));
    const double along = std::inner_product(in.begin(), in.end(), d.begin(), 0.0) / norm;
    for (std::size_t i = 0; i < kColumns; ++i) {
      EXPECT_NEAR(unit[r * kColumns + i], in[i] / norm, tolerance) << r;
      const double want = (d[i] - in[i] / norm * along) / norm;
      EXPECT_NEAR(gradient[r * kColumns + i], want, tolerance * (1 + std::abs(want))) << r;
    }
  }
}

TEST(PrototypeLoss, EveryInstructionSetNormalises) {
  for (const InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    compare_unit_rows<float>(set, 1e-6);
    compare_unit_rows<double>(set, 1e-14);
  }
}

// Whose squares float cannot hold.
TEST(PrototypeLoss, LongAndShortRowsHaveADirection) {
  for (const InstructionSet set : test::instruction_sets()) {
    for (const float size : {1e25F, 1e-8F}) {
      const std::vector<float> x(4, size);
      std::vector<float> unit(4), inverse(1);
      kernels::normalise_rows<float>(1, 4, x.data(), unit.data(), inverse.data(), set);
      for (const float value : unit)
        EXPECT_NEAR(value, 0.5, 1e-6);
    }
  }
}

template <class T>
void compare_balance(InstructionSet set, double tolerance) {
  std::vector<T> x = test::stored<T>(test::uniform(kRows * kWidth, 0.1, 1, 1));
  const std::vector<T> before = x, factors = test::stored<T>(test::uniform(kWidth, 0.5, 2, 2));
  Row sums(kColumns, -7), plain(kColumns), balanced(kColumns);
  kernels::column_sums<T>(kRows, kWidth, x.data(), sums.data(), set);
  Row after(kColumns, -7);
  kernels::balance_rows<T>(kRows, kWidth, factors.data(), x.data(), after.data(), set);
  for (std::size_t r = 0; r < kRows; ++r) {
    Row row = row_of(before, r);
    for (std::size_t i = 0; i < kColumns; ++i) {
      plain[i] += row[i];
      row[i] *= factors[i];
    }
    const double total = sum_of(row);
    for (std::size_t i = 0; i < kColumns; ++i) {
      EXPECT_NEAR(x[r * kColumns + i], row[i] / total, tolerance) << r << ' ' << i;
      balanced[i] += row[i] / total;
    }
  }
  for (std::size_t i = 0; i < kColumns; ++i) {
    EXPECT_NEAR(sums[i], plain[i], tolerance * kRows) << i;
    EXPECT_NEAR(after[i], balanced[i], tolerance * kRows) << i;
  }
}

TEST(PrototypeLoss, EveryInstructionSetBalances) {
  for (const InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    compare_balance<float>(set, 1e-6);
    compare_balance<double>(set, 1e-14);
  }
}

TEST(PrototypeLoss, ExtremesAreFound) {
  for (const InstructionSet set : test::instruction_sets()) {
    std::vector<float> x = test::stored<float>(test::uniform(kRows * kWidth, -1, 1, 1));
    x[5] = x[7] = 3;  // Equals: the first counts.
    std::vector<std::int64_t> indices(kRows);
    const kernels::Extremes sums = kernels::row_extremes<float>(kRows, kWidth, x.data(), indices.data(), set);
    double most = 0, least = 0;
    for (std::size_t r = 0; r < kRows; ++r) {
      const Row row = row_of(x, r);
      EXPECT_EQ(indices[r], std::max_element(row.begin(), row.end()) - row.begin()) << r;
      most += *std::max_element(row.begin(), row.end());
      least += *std::min_element(row.begin(), row.end());
    }
    EXPECT_NEAR(sums.largest, most, 1e-12);
    EXPECT_NEAR(sums.smallest, least, 1e-12);
  }
}

TEST(PrototypeLoss, BitsDoNotDependOnThreads) {
  const Problem<float> problem;
  const int before = omp_get_max_threads();
  std::vector<Solution<float>> got;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    got.emplace_back(problem, kernels::instruction_set());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(got[0].sums, got[1].sums);
  EXPECT_EQ(got[0].gradient, got[1].gradient);
  EXPECT_EQ(got[0].sharpened, got[1].sharpened);
  EXPECT_EQ(got[0].entropy, got[1].entropy);
  EXPECT_EQ(got[0].cross_entropy, got[1].cross_entropy);
}

TEST(PrototypeLoss, WhatIsNotFiniteIsSeen) {
  constexpr std::size_t bad = 2 * kColumns + 5;
  for (const InstructionSet set : test::instruction_sets()) {
    SCOPED_TRACE(kernels::name_of(set));
    for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
      Problem<float> problem;
      problem.cosines[bad] = value;
      const Solution<float> got(problem, set);
      EXPECT_FALSE(std::isfinite(got.cross_entropy) || std::isfinite(got.entropy) || std::isfinite(got.total));
      for (std::size_t i = 0; i < kColumns; ++i) {
        EXPECT_FALSE(std::isfinite(got.gradient[2 * kColumns + i])) << i;
        EXPECT_TRUE(std::isfinite(got.gradient[3 * kColumns + i])) << i;
      }
      std::vector<std::int64_t> indices(kRows);
      const kernels::Extremes sums =
          kernels::row_extremes<float>(kRows, kWidth, problem.cosines.data(), indices.data(), set);
      EXPECT_FALSE(std::isfinite(sums.largest) || std::isfinite(sums.smallest));
      EXPECT_LT(*std::max_element(indices.begin(), indices.end()), kWidth);
      std::vector<float> unit(problem.cosines.size()), inverse(kRows);
      kernels::normalise_rows<float>(kRows, kWidth, problem.cosines.data(), unit.data(), inverse.data(), set);
      EXPECT_TRUE(std::isnan(unit[bad]));
      EXPECT_TRUE(std::isfinite(unit[bad + kColumns]));
    }
  }
}

}  // namespace
}  // namespace msn
