// SPDX-License-Identifier: Apache-2.0
#include "data/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace msn {
namespace {

std::vector<std::uint64_t> whole_epoch(std::uint64_t n, std::uint64_t seed, std::uint64_t epoch) {
  const Sampler sampler(n, seed);
  std::vector<std::uint64_t> order(n);
  for (std::uint64_t i = 0; i < n; ++i)
    order[i] = sampler.at(epoch, i);
  return order;
}

TEST(Sampler, HoldsEverySampleOnce) {
  for (const std::uint64_t n : {1u, 2u, 3u, 5u, 16u, 17u, 100u, 1023u, 1024u, 1025u, 50000u}) {
    auto order = whole_epoch(n, 11, 2);
    std::sort(order.begin(), order.end());
    for (std::uint64_t i = 0; i < n; ++i)
      ASSERT_EQ(order[i], i) << "n " << n;
  }
}

TEST(Sampler, LargeNumbersStayInRange) {
  const Sampler sampler(std::uint64_t{1} << 32, 1);
  EXPECT_LT(sampler.at(0, (std::uint64_t{1} << 32) - 1), std::uint64_t{1} << 32);
}

TEST(Sampler, DiffersBetweenSeedsAndEpochsAndFromTheIdentity) {
  const auto base = whole_epoch(1000, 1, 0);
  const auto same_places = [&](const std::vector<std::uint64_t>& other) {
    int same = 0;
    for (std::size_t i = 0; i < base.size(); ++i)
      same += base[i] == other[i];
    return same;
  };
  EXPECT_LT(same_places(whole_epoch(1000, 2, 0)), 10);
  EXPECT_LT(same_places(whole_epoch(1000, 1, 1)), 10);
  std::vector<std::uint64_t> identity(1000);
  for (std::size_t i = 0; i < identity.size(); ++i)
    identity[i] = i;
  EXPECT_LT(same_places(identity), 10);
  EXPECT_EQ(base, whole_epoch(1000, 1, 0));
}

TEST(Sampler, SpreadsASampleOverAllPositions) {
  // The position of sample 0 over many epochs, in ten bins.
  constexpr int epochs = 2000;
  std::vector<int> bins(10);
  for (std::uint64_t epoch = 0; epoch < epochs; ++epoch) {
    const auto order = whole_epoch(50, 3, epoch);
    const auto place = std::find(order.begin(), order.end(), 0) - order.begin();
    ++bins[static_cast<std::size_t>(place / 5)];
  }
  for (const int count : bins)
    EXPECT_NEAR(count, epochs / 10.0, 5 * std::sqrt(epochs / 10.0));
}

TEST(Sampler, GivesTheNumbersThatRunsBeganWith) {
  struct Known {
    std::uint64_t samples, epoch, position, sample;
  };
  for (const Known& known : {Known{5, 0, 0, 4}, Known{5, 7, 3, 3}, Known{1000, 0, 4, 700}, Known{1281167, 0, 0, 723208},
                             Known{1281167, 7, 3, 773007}, Known{std::uint64_t{1} << 32, 0, 4, 3690354050}}) {
    EXPECT_EQ(Sampler(known.samples, 0x123456789abc).at(known.epoch, known.position), known.sample);
  }
}

TEST(Sampler, ReplacesASampleByEachOtherBeforeItself) {
  const Sampler sampler(57, 9);
  for (const std::uint64_t epoch : {0u, 1u}) {
    std::vector<std::uint64_t> chain{13};
    while (chain.size() < 57)
      chain.push_back(sampler.replacement(epoch, chain.back()));
    EXPECT_EQ(sampler.replacement(epoch, chain.back()), 13u);
    std::sort(chain.begin(), chain.end());
    EXPECT_EQ(std::unique(chain.begin(), chain.end()), chain.end());
  }
  int same = 0;
  for (std::uint64_t sample = 0; sample < 57; ++sample)
    same += sampler.replacement(0, sample) == sampler.replacement(1, sample);
  EXPECT_LT(same, 6);
  EXPECT_EQ(Sampler(1, 9).replacement(0, 0), 0u);
}

std::vector<std::uint64_t> samples_of_step(const Sampler& sampler, const StepShare& share) {
  std::vector<std::uint64_t> samples;
  for (int i = 0; i < share.count; ++i)
    samples.push_back(sampler.at(share.epoch, share.position + static_cast<std::uint64_t>(i)));
  return samples;
}

std::vector<std::uint64_t> whole_epoch(const Sampler& sampler, std::uint64_t epoch) {
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < sampler.samples(); ++i)
    order.push_back(sampler.at(epoch, i));
  return order;
}

TEST(Blockwise, HoldsEverySampleOnce) {
  for (const std::uint64_t n : {1u, 2u, 7u, 64u, 65u, 1000u, 1024u}) {
    for (const std::uint64_t block : {1u, 3u, 16u, 64u, 2000u}) {
      for (const std::uint64_t window : {1u, 2u, 5u, 1000u}) {
        for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
          auto order = whole_epoch(Sampler(n, 4, {DataOrder::blockwise, block, window}), epoch);
          std::sort(order.begin(), order.end());
          for (std::uint64_t i = 0; i < n; ++i)
            ASSERT_EQ(order[i], i) << n << " samples, blocks of " << block << ", windows of " << window;
        }
      }
    }
  }
}

TEST(Blockwise, NeighboursInTimeComeFromFewBlocks) {
  constexpr std::uint64_t block = 16, window = 4;
  const auto order = whole_epoch(Sampler(1000, 4, {DataOrder::blockwise, block, window}), 1);
  // A stretch as long as a window touches two windows at most, one of them with the short block perhaps.
  for (std::size_t begin = 0; begin + block * window <= order.size(); ++begin) {
    std::vector<std::uint64_t> blocks;
    for (std::size_t i = begin; i < begin + block * window; ++i)
      blocks.push_back(order[i] / block);
    std::sort(blocks.begin(), blocks.end());
    const auto distinct = std::unique(blocks.begin(), blocks.end()) - blocks.begin();
    ASSERT_LE(distinct, 3 * static_cast<int>(window));
  }
  // The first window is whole: its samples are those of four blocks and are shuffled among themselves.
  std::vector<std::uint64_t> first(order.begin(), order.begin() + block * window);
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  int next_to_each_other = 0;
  for (std::size_t i = 1; i < first.size(); ++i)
    next_to_each_other += first[i] == first[i - 1] + 1;
  EXPECT_LT(next_to_each_other, 8);
}

TEST(Blockwise, DiffersBetweenSeedsEpochsSetsAndFromShuffled) {
  const SampleOrder blockwise{DataOrder::blockwise, 8, 4};
  const auto base = whole_epoch(Sampler(1000, 1, blockwise), 0);
  EXPECT_EQ(base, whole_epoch(Sampler(1000, 1, blockwise), 0));
  for (const auto& other : {whole_epoch(Sampler(1000, 2, blockwise), 0), whole_epoch(Sampler(1000, 1, blockwise), 1),
                            whole_epoch(Sampler(1000, 1, blockwise, 1), 0), whole_epoch(Sampler(1000, 1), 0)}) {
    int same = 0;
    for (std::size_t i = 0; i < base.size(); ++i)
      same += base[i] == other[i];
    EXPECT_LT(same, 30);
  }
}

TEST(Blockwise, MakesTheSameGlobalBatchForAnyNumberOfRanks) {
  const Sampler sampler(103, 5, {DataOrder::blockwise, 10, 3});
  for (std::uint64_t step = 0; step < 20; ++step) {
    const auto whole = samples_of_step(sampler, share_of_step(step, 103, 12, 0, 1));
    for (const int ranks : {2, 3, 4}) {
      std::vector<std::uint64_t> joined;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto part = samples_of_step(sampler, share_of_step(step, 103, 12, rank, ranks));
        joined.insert(joined.end(), part.begin(), part.end());
      }
      EXPECT_EQ(joined, whole);
    }
  }
}

TEST(StepShare, MakesTheSameGlobalBatchForAnyNumberOfRanks) {
  const Sampler sampler(103, 5);
  for (std::uint64_t step = 0; step < 20; ++step) {
    const auto whole = samples_of_step(sampler, share_of_step(step, 103, 12, 0, 1));
    EXPECT_EQ(whole.size(), 12u);
    for (const int ranks : {2, 3, 4, 12}) {
      std::vector<std::uint64_t> joined;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto part = samples_of_step(sampler, share_of_step(step, 103, 12, rank, ranks));
        joined.insert(joined.end(), part.begin(), part.end());
      }
      EXPECT_EQ(joined, whole);
    }
  }
}

TEST(StepShare, DropsTheRestOfAnEpoch) {
  EXPECT_EQ(steps_per_epoch(103, 12), 8u);
  const StepShare first_of_second = share_of_step(8, 103, 12, 0, 1);
  EXPECT_EQ(first_of_second.epoch, 1u);
  EXPECT_EQ(first_of_second.position, 0u);
}

TEST(StepShare, RefusesWhatCannotBeDivided) {
  EXPECT_THROW(share_of_step(0, 100, 10, 0, 3), Error);
  EXPECT_THROW(share_of_step(0, 5, 10, 0, 2), Error);
}

}  // namespace
}  // namespace msn
