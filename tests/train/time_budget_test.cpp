// SPDX-License-Identifier: Apache-2.0
#include "train/time_budget.hpp"

#include <gtest/gtest.h>

namespace msn {
namespace {

using namespace std::chrono_literals;

const TimeBudget::Clock::time_point kNow{};

TEST(SlowSave, TakesLongerTheMoreThereIs) {
  EXPECT_EQ(slow_save_seconds(0), 1);
  EXPECT_EQ(slow_save_seconds(5'000'000'000), 101);
}

TEST(TimeBudget, KeepsTimeForAStepACheckpointAndTheMargin) {
  TimeBudget budget;
  budget.add_step(6);
  budget.add_step(2);
  // 1.1 * (6 + 4) + 5 = 16.
  const auto spent = [&](auto end, double save) { return budget.is_spent({kNow + end, 5}, save, kNow); };
  EXPECT_FALSE(spent(17s, 4));
  EXPECT_TRUE(spent(15s, 4));
  EXPECT_TRUE(spent(17s, 8));
  EXPECT_TRUE(spent(-1s, 0));
}

TEST(TimeBudget, ForgetsTheLongFirstStep) {
  TimeBudget budget;
  budget.add_step(100);
  for (int i = 0; i < 19; ++i)
    budget.add_step(1);
  EXPECT_TRUE(budget.is_spent({kNow + 50s, 0}, 0, kNow));
  budget.add_step(1);
  EXPECT_FALSE(budget.is_spent({kNow + 50s, 0}, 0, kNow));
}

TEST(TimeBudget, IsSpentAtTheEndWithoutAnyStep) {
  EXPECT_FALSE(TimeBudget().is_spent({kNow + 1s, 0}, 0, kNow));
  EXPECT_TRUE(TimeBudget().is_spent({kNow, 1}, 0, kNow));
}

}  // namespace
}  // namespace msn
