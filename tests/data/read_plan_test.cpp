// SPDX-License-Identifier: Apache-2.0
#include "data/read_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace msn {
namespace {

Extent extent(std::size_t shard, std::uint64_t offset, std::size_t size) {
  return {0, shard, offset, size, 0};
}

TEST(ReadPlan, JoinsNeighboursInTheOrderOfTheDisk) {
  const std::vector<Extent> extents{extent(1, 500, 10), extent(0, 300, 50), extent(0, 100, 20), extent(0, 125, 75),
                                    extent(0, 211, 9)};
  ReadPlan plan;
  plan_reads(extents, plan, {10, 1000});
  EXPECT_EQ(plan.order, (std::vector<std::size_t>{2, 3, 4, 1, 0}));
  ASSERT_EQ(plan.runs.size(), 4u);
  EXPECT_EQ(plan.runs[0].offset, 100u);
  EXPECT_EQ(plan.runs[0].size, 100u);  // 20, a gap of 5, 75
  EXPECT_EQ(plan.runs[0].count, 2u);
  EXPECT_EQ(plan.runs[1].offset, 211u);  // A gap of 11 is too large.
  EXPECT_EQ(plan.runs[3].shard, 1u);
  EXPECT_EQ(plan.bytes, 100u + 9 + 50 + 10);
  EXPECT_EQ(plan.place, (std::vector<std::size_t>{159, 109, 0, 25, 100}));
}

TEST(ReadPlan, KeepsToTheLimitOfARun) {
  const std::vector<Extent> extents{extent(0, 0, 60), extent(0, 60, 40), extent(0, 100, 500), extent(0, 600, 1)};
  ReadPlan plan;
  plan_reads(extents, plan, {10, 100});
  ASSERT_EQ(plan.runs.size(), 3u);
  EXPECT_EQ(plan.runs[0].size, 100u);
  EXPECT_EQ(plan.runs[1].size, 500u);  // One image may be larger than a run.
  EXPECT_EQ(plan.runs[2].size, 1u);
}

TEST(ReadPlan, TakesTheSameImageTwice) {
  const std::vector<Extent> extents{extent(0, 100, 50), extent(0, 160, 5), extent(0, 100, 50)};
  ReadPlan plan;
  plan_reads(extents, plan, {10, 1000});
  ASSERT_EQ(plan.runs.size(), 1u);
  EXPECT_EQ(plan.bytes, 65u);
  EXPECT_EQ(plan.place, (std::vector<std::size_t>{0, 60, 0}));
}

TEST(ReadPlan, KeepsSetsApartAndLeavesOutWhatHasNoSize) {
  std::vector<Extent> extents{extent(0, 100, 50), extent(0, 150, 5), extent(0, 155, 0), extent(0, 160, 7)};
  extents[1].set = 1;
  ReadPlan plan;
  plan_reads(extents, plan, {10, 1000});
  EXPECT_EQ(plan.order, (std::vector<std::size_t>{0, 3, 1}));
  ASSERT_EQ(plan.runs.size(), 2u);
  EXPECT_EQ(plan.runs[1].set, 1u);
}

TEST(ReadPlan, BegunAnewHoldsNothingOfBefore) {
  ReadPlan plan;
  plan_reads(std::vector<Extent>{extent(0, 0, 9), extent(3, 0, 9)}, plan);
  plan_reads(std::vector<Extent>{extent(2, 7, 3)}, plan);
  ASSERT_EQ(plan.runs.size(), 1u);
  EXPECT_EQ(plan.runs[0].shard, 2u);
  EXPECT_EQ(plan.bytes, 3u);
  plan_reads({}, plan);
  EXPECT_TRUE(plan.runs.empty());
  EXPECT_EQ(plan.bytes, 0u);
}

TEST(ByteBuffer, KeepsItsMemory) {
  ByteBuffer buffer;
  const std::byte* first = buffer.resize(1000).data();
  EXPECT_EQ(buffer.resize(10).size(), 10u);
  EXPECT_EQ(buffer.resize(1200).data(), first);
  EXPECT_EQ(buffer.bytes().size(), 1200u);
}

}  // namespace
}  // namespace msn
