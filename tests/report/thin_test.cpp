// SPDX-License-Identifier: Apache-2.0
#include "report/thin.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace msn {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::uint64_t> counted(std::size_t count) {
  std::vector<std::uint64_t> steps(count);
  std::iota(steps.begin(), steps.end(), std::uint64_t{1});
  return steps;
}

TEST(Thin, KeepsFewValuesAsTheyAre) {
  const std::vector<std::uint64_t> steps{5, 6, 9};
  const ThinSeries series = thin(steps, std::vector<double>{1, kNan, 3}, 2);
  ASSERT_EQ(series.points.size(), 2U);
  EXPECT_EQ(series.bucket, 1U);
  EXPECT_EQ(series.points[0].step, 5);
  EXPECT_EQ(series.points[1].step, 9);
  EXPECT_EQ(series.points[1].mean, 3);
  EXPECT_EQ(series.points[1].low, 3);
  EXPECT_EQ(series.points[1].high, 3);
}

TEST(Thin, MakesMeansAndRangesOfManyValues) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i)
    values.push_back(i % 10 == 7 ? 100.0 : 1.0);
  const ThinSeries series = thin(counted(1000), values, 100);
  EXPECT_EQ(series.bucket, 10U);
  ASSERT_EQ(series.points.size(), 100U);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_DOUBLE_EQ(series.points[i].step, 10.0 * static_cast<double>(i) + 5.5);
    EXPECT_NEAR(series.points[i].mean, 10.9, 1e-12);
    EXPECT_EQ(series.points[i].low, 1);
    EXPECT_EQ(series.points[i].high, 100) << "a single peak is not lost";
  }
}

TEST(Thin, NeverGivesMorePointsThanAsked) {
  for (const std::size_t count : {1U, 7U, 99U, 100U, 101U, 199U, 200U, 201U, 5000U}) {
    for (const std::size_t most : {1U, 2U, 3U, 100U}) {
      const ThinSeries series = thin(counted(count), std::vector<double>(count, 2.0), most);
      EXPECT_LE(series.points.size(), most) << count;
      EXPECT_GE(series.points.size() * series.bucket, count) << count << ' ' << most;
    }
  }
}

TEST(Thin, LeavesEmptyBucketsOut) {
  std::vector<double> values(1000, kNan);
  for (std::size_t i = 0; i < 1000; ++i) {
    if (i < 100 || i >= 900) values[i] = 1;
  }
  const ThinSeries series = thin(counted(1000), values, 10);
  EXPECT_EQ(series.points.size(), 2U);
  EXPECT_DOUBLE_EQ(series.points[0].step, 50.5);
}

TEST(Thin, StaysWithinTheValuesHoweverLarge) {
  const double huge = std::numeric_limits<double>::max();
  const ThinSeries series = thin(counted(4), std::vector<double>{huge, huge, -huge, -huge}, 1);
  ASSERT_EQ(series.points.size(), 1U);
  EXPECT_TRUE(std::isfinite(series.points[0].mean));
  EXPECT_NEAR(series.points[0].mean / huge, 0, 1e-12);
}

TEST(Thin, OfNothingIsNothing) {
  EXPECT_TRUE(thin({}, {}, 10).points.empty());
  EXPECT_TRUE(thin(counted(2), std::vector<double>{kNan, INFINITY}, 10).points.empty());
}

}  // namespace
}  // namespace msn
