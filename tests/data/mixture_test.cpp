// SPDX-License-Identifier: Apache-2.0
#include "data/mixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/error.hpp"

namespace msn {
namespace {

constexpr std::uint64_t seed = 5;

/// The draws of an epoch.
std::vector<Draw> epoch_of(const Mixture& mixture, std::uint64_t epoch) {
  std::vector<Draw> draws;
  for (std::uint64_t i = 0; i < mixture.epoch_images(); ++i)
    draws.push_back(mixture.at(epoch, i));
  return draws;
}

TEST(Mixture, OfOneSetIsItsSamplersOrder) {
  for (const SampleOrder& order : {SampleOrder{}, SampleOrder{DataOrder::blockwise, 4, 3}}) {
    const Mixture mixture({{103, 103}}, seed, order, 0, 12);
    const Sampler sampler(103, seed, order);
    EXPECT_EQ(mixture.epoch_images(), 103u);
    for (const std::uint64_t epoch : {0u, 1u, 9u}) {
      for (std::uint64_t i = 0; i < 103; ++i) {
        const Draw draw = mixture.at(epoch, i);
        EXPECT_EQ(draw.index, sampler.at(epoch, i));
        EXPECT_EQ(draw.key, draw.index);
        EXPECT_EQ(draw.pass, epoch);
        EXPECT_EQ(mixture.replacement(draw), sampler.replacement(epoch, draw.index));
      }
    }
  }
}

TEST(Mixture, HasTheSameShareOfEachSetInEveryEpochAndEvenlySpread) {
  const std::vector<MixtureSet> sets{{40, 1}, {300, 2.5}, {7, 0.5}};
  const Mixture mixture(sets, seed, {}, 170, 8);
  EXPECT_EQ(mixture.epoch_images(), 168u);
  EXPECT_EQ(mixture.draws_of(0), 42u);
  EXPECT_EQ(mixture.draws_of(1), 105u);
  EXPECT_EQ(mixture.draws_of(2), 21u);
  for (std::uint64_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<double> seen(3);
    double at = 0;
    for (const Draw& draw : epoch_of(mixture, epoch)) {
      ++seen[draw.set];
      ++at;
      for (std::size_t s = 0; s < 3; ++s)
        EXPECT_LE(std::abs(seen[s] - at * static_cast<double>(mixture.draws_of(s)) / 168), 1.5);
    }
    for (std::size_t s = 0; s < 3; ++s)
      EXPECT_EQ(seen[s], static_cast<double>(mixture.draws_of(s)));
  }
}

TEST(Mixture, EveryImageOfASetComesBeforeAnyComesAgain) {
  const std::vector<MixtureSet> sets{{40, 1}, {300, 2}, {7, 1}};
  const Mixture mixture(sets, seed, {}, 120, 4);
  std::vector<std::vector<std::uint64_t>> order(3);
  for (std::uint64_t epoch = 0; epoch < 12; ++epoch) {
    for (const Draw& draw : epoch_of(mixture, epoch)) {
      EXPECT_EQ(draw.pass, order[draw.set].size() / sets[draw.set].count);
      order[draw.set].push_back(draw.index);
    }
  }
  for (std::size_t s = 0; s < 3; ++s) {
    const auto count = static_cast<std::ptrdiff_t>(sets[s].count);
    ASSERT_GE(static_cast<std::ptrdiff_t>(order[s].size()), 2 * count);
    for (std::ptrdiff_t pass = 0; (pass + 1) * count <= static_cast<std::ptrdiff_t>(order[s].size()); ++pass) {
      const std::set<std::uint64_t> one(order[s].begin() + pass * count, order[s].begin() + (pass + 1) * count);
      EXPECT_EQ(one.size(), sets[s].count) << "set " << s << ", pass " << pass;
    }
    EXPECT_FALSE(std::equal(order[s].begin(), order[s].begin() + count, order[s].begin() + count));
  }
}

TEST(Mixture, WithoutWeightsEachImageComesOnceAnEpoch) {
  const Mixture mixture({{40, 40}, {80, 80}}, seed, {}, 0, 8);
  EXPECT_EQ(mixture.epoch_images(), 120u);
  std::set<std::uint64_t> keys;
  for (const Draw& draw : epoch_of(mixture, 3)) {
    EXPECT_EQ(draw.pass, 3u);
    keys.insert(draw.key);
  }
  EXPECT_EQ(keys.size(), 120u);
}

TEST(Mixture, NoTwoDrawsOfAnEpochHaveTheSameKey) {
  const std::array<std::uint64_t, 3> counts{3, 50, 4};
  const Mixture mixture({{counts[0], 5}, {counts[1], 1}, {counts[2], 4}}, seed, {DataOrder::blockwise, 2, 2}, 200, 10);
  for (std::uint64_t epoch = 0; epoch < 5; ++epoch) {
    std::set<std::uint64_t> keys;
    for (const Draw& draw : epoch_of(mixture, epoch)) {
      keys.insert(draw.key);
      EXPECT_LT(draw.key, std::uint64_t{1} << 32);
      EXPECT_LT(mixture.replacement(draw), counts[draw.set]);
    }
    EXPECT_EQ(keys.size(), 200u);
  }
}

TEST(Mixture, SetsOfEqualSizeHaveOrdersOfTheirOwn) {
  const Mixture mixture({{500, 1}, {500, 1}}, seed, {}, 0, 4);
  std::vector<std::vector<std::uint64_t>> order(2);
  for (const Draw& draw : epoch_of(mixture, 0))
    order[draw.set].push_back(draw.index);
  int same = 0;
  for (std::size_t i = 0; i < 500; ++i)
    same += order[0][i] == order[1][i];
  EXPECT_LT(same, 10);
}

TEST(Mixture, LargeSetsAreFoundAtOnce) {
  const Mixture mixture({{1281167, 1}, {300000000, 3}, {14000000, 1.7}}, seed, {}, 100000000, 4096);
  std::map<std::size_t, int> seen;
  for (std::uint64_t i = 0; i < 570; ++i)
    ++seen[mixture.at(700, mixture.epoch_images() - 570 + i).set];
  EXPECT_NEAR(seen[0], 100, 2);
  EXPECT_NEAR(seen[1], 300, 2);
  EXPECT_NEAR(seen[2], 170, 2);
}

TEST(Mixture, RefusesWhatCannotBe) {
  const auto refused = [](std::vector<MixtureSet> sets, std::uint64_t epoch, const std::string& part) {
    try {
      Mixture(std::move(sets), seed, {}, epoch, 8);
      ADD_FAILURE() << "no error for " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused({{5, 1}, {5, 1}}, 7, "shorter than a batch");
  refused({{5, 1}, {5, 1e-6}}, 80, "weight of data set 2");
  refused({{5, 1}, {5, 1}}, (std::uint64_t{1} << 31) + 8, "longer than 2^31");
  refused({{2, 1}, {std::uint64_t{1} << 31, 1}}, 1 << 20, "keys");
}

}  // namespace
}  // namespace msn
