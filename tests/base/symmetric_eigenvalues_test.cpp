// SPDX-License-Identifier: Apache-2.0
#include "base/symmetric_eigenvalues.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.hpp"
#include "base/random.hpp"

namespace msn {
namespace {

using Values = std::vector<double>;

void expect_near(const Values& got, const Values& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_NEAR(got[i], want[i], tolerance) << i;
}

TEST(SymmetricEigenvalues, OfSmallMatrices) {
  EXPECT_EQ(symmetric_eigenvalues({}, 0), Values{});
  EXPECT_EQ(symmetric_eigenvalues({-3}, 1), Values{-3});
  expect_near(symmetric_eigenvalues({2, 1, 1, 2}, 2), {1, 3}, 1e-15);
  expect_near(symmetric_eigenvalues({0, 0, 0, 0, 0, 0, 0, 0, 0}, 3), {0, 0, 0}, 0);
  expect_near(symmetric_eigenvalues({5, 0, 0, 0, -1, 0, 0, 0, 5}, 3), {-1, 5, 5}, 0);
  expect_near(symmetric_eigenvalues({1, 1, 1, 1, 1, 1, 1, 1, 1}, 3), {0, 0, 3}, 1e-15);
}

// Second differences: 2 - 2 cos(k pi / (n + 1)).
TEST(SymmetricEigenvalues, OfAStringOfBeads) {
  const std::size_t n = 40;
  Values matrix(n * n), want(n);
  for (std::size_t i = 0; i < n; ++i) {
    matrix[i * n + i] = 2;
    if (i + 1 < n) matrix[i * n + i + 1] = matrix[(i + 1) * n + i] = -1;
    want[i] = 2 - 2 * std::cos(static_cast<double>(i + 1) * std::numbers::pi / static_cast<double>(n + 1));
  }
  expect_near(symmetric_eigenvalues(matrix, n), want, 1e-14);
}

// Values over twelve powers of ten, turned by reflections so that nothing is left at its place.
TEST(SymmetricEigenvalues, AreRightToTheRoundingOfTheLargest) {
  const std::size_t n = 25;
  Values matrix(n * n), want(n);
  for (std::size_t i = 0; i < n; ++i)
    matrix[i * n + i] = want[i] = std::pow(10.0, -12 + static_cast<double>(i) / 2);
  RandomStream random(1, "reflections", Purpose::init);
  for (int reflection = 0; reflection < 3; ++reflection) {
    Values v(n);
    double square = 0;
    for (double& value : v) {
      value = random.uniform() - 0.5;
      square += value * value;
    }
    for (const bool rows : {true, false}) {
      for (std::size_t i = 0; i < n; ++i) {
        const auto at = [&](std::size_t j) -> double& { return matrix[rows ? j * n + i : i * n + j]; };
        double along = 0;
        for (std::size_t j = 0; j < n; ++j)
          along += v[j] * at(j);
        for (std::size_t j = 0; j < n; ++j)
          at(j) -= 2 * along / square * v[j];
      }
    }
  }
  expect_near(symmetric_eigenvalues(matrix, n), want, 1e-14);
}

TEST(SymmetricEigenvalues, RefuseWhatHasNone) {
  EXPECT_THROW(symmetric_eigenvalues({1, 2, 3}, 2), Error);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(symmetric_eigenvalues({1, nan, nan, 1}, 2), Error);
}

}  // namespace
}  // namespace msn
