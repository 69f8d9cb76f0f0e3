// SPDX-License-Identifier: Apache-2.0
#include "report/axis.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace msn {
namespace {

std::string labels(const Axis& axis) {
  std::string text;
  for (const Tick& tick : axis.ticks)
    text += (text.empty() ? "" : " ") + tick.label;
  return text;
}

TEST(Axis, HasRoundNumbers) {
  EXPECT_EQ(labels(value_axis(0, 7, Scale::linear)), "0 2 4 6");
  EXPECT_EQ(labels(value_axis(3.02, 3.09, Scale::linear)), "3.02 3.04 3.06 3.08");
  EXPECT_EQ(labels(value_axis(-1, 1, Scale::linear)), "-1.0 -0.5 0 0.5 1.0");
  EXPECT_EQ(labels(value_axis(0, 1e-3, Scale::linear)), "0 0.0005 0.0010");
  EXPECT_EQ(labels(value_axis(1e-6, 4e-6, Scale::linear)), "0 1e-6 2e-6 3e-6 4e-6");
  EXPECT_EQ(labels(step_axis(1, 1000)), "0 200 400 600 800 1000");
  EXPECT_EQ(labels(step_axis(0, 125000)), "0 50k 100k");
  EXPECT_EQ(labels(step_axis(0, 1500000)), "0 500k 1.0M 1.5M");
}

TEST(Axis, StepsAreWholeNumbers) {
  EXPECT_EQ(labels(step_axis(1, 3)), "1 2 3");
  EXPECT_EQ(labels(step_axis(7, 7)), "7 8");
  EXPECT_EQ(labels(step_axis(100000, 100003)), "100000 100001 100002 100003");
}

TEST(Axis, HoldsItsValues) {
  for (const auto& [low, high] : {std::pair{0.0, 0.0},
                                  {5.0, 5.0},
                                  {-3.0, -3.0},
                                  {0.0, 1e-9},
                                  {1e9, 1.0000001e9},
                                  {0.996, 0.996},
                                  {-1e12, 1e12},
                                  {6.9, 7.0}}) {
    const Axis axis = value_axis(low, high, Scale::linear);
    EXPECT_LT(axis.low, axis.high) << low;
    EXPECT_GT(axis.place(low), 0) << low;
    EXPECT_LT(axis.place(high), 1) << high;
    EXPECT_GE(axis.ticks.size(), 2U) << low << ' ' << high;
    EXPECT_LE(axis.ticks.size(), 12U) << low << ' ' << high;
    for (const Tick& tick : axis.ticks) {
      EXPECT_GE(axis.place(tick.value), -1e-6);
      EXPECT_LE(axis.place(tick.value), 1 + 1e-6);
    }
  }
}

TEST(Axis, BeginsAtZeroWhereThatIsNear) {
  EXPECT_NEAR(value_axis(2, 10, Scale::linear).place(0), 0.02, 0.01);
  EXPECT_GT(value_axis(9, 10, Scale::linear).low, 8);
}

TEST(Axis, LogarithmicHasWholeDecades) {
  const Axis axis = value_axis(0.02, 3000, Scale::logarithmic);
  EXPECT_DOUBLE_EQ(axis.low, 0.01);
  EXPECT_DOUBLE_EQ(axis.high, 10000);
  EXPECT_EQ(labels(axis), "0.01 1 100 10k");
  EXPECT_NEAR(axis.place(10), 0.5, 1e-12);
  EXPECT_TRUE(std::isinf(axis.place(0)));
}

}  // namespace
}  // namespace msn
