// SPDX-License-Identifier: Apache-2.0
#include "data/workers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace msn {
namespace {

TEST(Workers, RunEveryIndexOnce) {
  for (const int workers : {1, 2, 7}) {
    std::vector<std::atomic<int>> runs(100);
    for_each_parallel(runs.size(), workers, [&](std::size_t i) { ++runs[i]; });
    for (const auto& count : runs)
      EXPECT_EQ(count, 1);
  }
  for_each_parallel(0, 3, [](std::size_t) { FAIL(); });
  EXPECT_GE(allowed_cores(), 1);
}

TEST(Workers, ThrowTheErrorOfTheLowestIndex) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    try {
      for_each_parallel(1000, 4, [](std::size_t i) {
        if (i >= 30) throw std::runtime_error(std::to_string(i));
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "30");
    }
  }
}

}  // namespace
}  // namespace msn
