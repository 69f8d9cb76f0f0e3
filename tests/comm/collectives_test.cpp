// SPDX-License-Identifier: Apache-2.0
// Sums and gathers over ranks: the bits of a plain loop in rank order, by both paths, wherever a message is cut.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "comm/async_collectives.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

/// Values of very different size, so that another order of addition shows.
template <class T>
std::vector<T> values_of(int rank, std::size_t length) {
  std::uint64_t state = 11 + static_cast<std::uint64_t>(rank);
  std::vector<T> values(length);
  for (auto& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double fraction = static_cast<double>(state >> 11) * 0x1p-53 - 0.5;
    value = static_cast<T>(std::ldexp(fraction, static_cast<int>(state % 30)));
  }
  return values;
}

template <class T>
std::vector<T> expected_sum(std::size_t length) {
  auto sum = values_of<T>(0, length);
  for (int r = 1; r < world().size(); ++r) {
    const auto part = values_of<T>(r, length);
    for (std::size_t i = 0; i < length; ++i)
      sum[i] += part[i];
  }
  return sum;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class T>
void expect_rank_order_sum(AsyncCollectives& collectives, std::size_t length) {
  auto values = values_of<T>(world().rank(), length);
  collectives.sum(std::span<T>(values), "values");
  EXPECT_TRUE(same_bits(values, expected_sum<T>(length)))
      << length << " values of " << sizeof(T) << " bytes by " << collectives.description();
}

class Collectives : public testing::TestWithParam<ExchangePath> {};
INSTANTIATE_TEST_SUITE_P(Paths, Collectives, testing::Values(ExchangePath::shared_memory, ExchangePath::messages),
                         [](const auto& info) {
                           return info.param == ExchangePath::messages ? "Messages" : "SharedMemory";
                         });

TEST_P(Collectives, AddInRankOrderWhereverTheyAreCut) {
  // The smallest pieces hold one or two values.
  for (const ExchangeSizes sizes :
       {ExchangeSizes{}, ExchangeSizes{0, 8}, ExchangeSizes{64, 24}, ExchangeSizes{0, 2000}}) {
    AsyncCollectives collectives(world(), {GetParam(), Background::automatic, sizes});
    for (const std::size_t length : {0, 1, 2, 3, 5, 16, 17}) {
      expect_rank_order_sum<float>(collectives, length);
      expect_rank_order_sum<double>(collectives, length);
    }
    if (sizes.piece_bytes == 2000) {
      for (const std::size_t length : {499, 500, 501, 1003})
        expect_rank_order_sum<float>(collectives, length);
    }
    collectives.shutdown();
  }
}

TEST_P(Collectives, AddInRankOrderAroundTheirOwnLimits) {
  AsyncCollectives collectives(world(), {GetParam(), Background::automatic, {}});
  for (const std::size_t length : {8192, 8193, (1 << 18) - 1, 1 << 18, (1 << 18) + 1})
    expect_rank_order_sum<float>(collectives, length);
  expect_rank_order_sum<double>(collectives, (1 << 17) + 1);
  collectives.shutdown();
}

TEST_P(Collectives, CarryNotANumberToEveryRank) {
  AsyncCollectives collectives(world(), {GetParam(), Background::automatic, {}});
  std::vector<float> values(20000, 1.0f);
  if (world().rank() == world().size() - 1) values[12345] = std::nanf("");
  collectives.sum(std::span(values), "values");
  EXPECT_TRUE(std::isnan(values[12345]));
  EXPECT_EQ(values[0], static_cast<float>(world().size()));
  collectives.shutdown();
}

TEST_P(Collectives, GatherInRankOrder) {
  AsyncCollectives collectives(world(), {GetParam(), Background::automatic, {64, 64}});
  for (const std::size_t length : {0, 1, 2, 8, 9, 100}) {
    auto mine = values_of<double>(world().rank(), length);
    std::vector<double> all(length * static_cast<std::size_t>(world().size()));
    collectives.gather(std::span(mine), std::span(all), "values");
    for (int r = 0; r < world().size(); ++r) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(length) * r;
      EXPECT_TRUE(same_bits(std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(length)),
                            values_of<double>(r, length)));
    }
  }
  collectives.shutdown();
}

}  // namespace
}  // namespace msn
