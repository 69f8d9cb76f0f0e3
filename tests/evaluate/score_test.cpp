// SPDX-License-Identifier: Apache-2.0
#include "evaluate/score.hpp"

#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace msn {
namespace {

using Numbers = std::vector<std::int32_t>;

TEST(Judge, PutsTheSmallerOfEqualClassesFirst) {
  std::vector<double> scores{0, 2, 2, 1,   // 1, 2, 3, 0
                             5, 5, 5, 5,   // 0, 1, 2, 3
                             1, 0, 3, 2};  // 2, 3, 0, 1
  const Predictions predictions = judge(at::from_blob(scores.data(), {3, 4}, at::kDouble), Numbers{2, 3, 2});
  EXPECT_EQ(predictions.classes, (Numbers{1, 0, 2}));
  EXPECT_EQ(predictions.places, (Numbers{1, 3, 0}));
  EXPECT_DOUBLE_EQ(accuracy(predictions), 1.0 / 3);
  EXPECT_DOUBLE_EQ(accuracy(predictions, 2), 2.0 / 3);
  EXPECT_DOUBLE_EQ(accuracy(predictions, 5), 1);
}

TEST(Judge, TakesNoNumberForTheLowestScore) {
  const float nan = std::nanf("");
  std::vector<float> scores{nan, -1e30f, 0, nan};
  const Predictions predictions = judge(at::from_blob(scores.data(), {2, 2}, at::kFloat), Numbers{0, 0});
  EXPECT_EQ(predictions.classes, (Numbers{1, 0}));
  EXPECT_EQ(predictions.places, (Numbers{1, 0}));
}

TEST(Confusion, CountsByOwnAndPredictedClass) {
  const Predictions predictions{{0, 1, 1, 2}, {0, 0, 1, 0}};
  EXPECT_EQ(confusion_matrix(predictions, Numbers{0, 1, 0, 2}, 3),
            (std::vector<std::uint64_t>{1, 1, 0, 0, 1, 0, 0, 0, 1}));
}

TEST(MeanAndDeviation, DividesByOneLess) {
  const std::vector<double> values{1, 2, 6};
  const MeanAndDeviation result = mean_and_deviation(values);
  EXPECT_DOUBLE_EQ(result.mean, 3);
  EXPECT_DOUBLE_EQ(result.deviation, std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(mean_and_deviation(std::vector<double>{4}).deviation, 0);
}

}  // namespace
}  // namespace msn
