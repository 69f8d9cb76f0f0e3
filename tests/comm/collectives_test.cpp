// SPDX-License-Identifier: Apache-2.0
#include "comm/collectives.hpp"

#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.hpp"
#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

/// Values of very different size, so that another order of addition shows.
template <class T>
std::vector<T> values_of(int rank, std::size_t length) {
  RandomStream stream(11, 0, static_cast<std::uint64_t>(rank), 0, Purpose::generator);
  std::vector<T> values(length);
  for (auto& value : values)
    value = static_cast<T>(std::ldexp(stream.normal(), static_cast<int>(stream.below(30))));
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
void expect_rank_order_sum(std::size_t length, SumLimits limits) {
  auto values = values_of<T>(world().rank(), length);
  sum_in_rank_order(world(), std::span<T>(values), limits);
  const auto expected = expected_sum<T>(length);
  EXPECT_TRUE(length == 0 || std::memcmp(values.data(), expected.data(), length * sizeof(T)) == 0)
      << length << " values, gather up to " << limits.gather_bytes << ", pieces of " << limits.piece_bytes;
}

TEST(SumInRankOrder, EveryPathGivesTheBitsOfAPlainLoop) {
  for (const std::size_t length : {0, 1, 2, 3, 5, 64, 1000, 1003}) {
    for (const SumLimits limits : {SumLimits{}, SumLimits{0, 1 << 20}, SumLimits{0, 256}, SumLimits{0, 8}}) {
      expect_rank_order_sum<float>(length, limits);
      expect_rank_order_sum<double>(length, limits);
    }
  }
}

TEST(SumInRankOrder, TheDefaultLimitsChooseBothPaths) {
  expect_rank_order_sum<float>(8192, {});
  expect_rank_order_sum<float>(8193, {});
  expect_rank_order_sum<float>((std::size_t{9} << 20) / sizeof(float) + 1, {});
}

TEST(SumInRankOrder, NotANumberReachesEveryRank) {
  std::vector<float> values(20000, 1.0f);
  if (world().rank() == world().size() - 1) values[12345] = std::nanf("");
  sum_in_rank_order(world(), std::span<float>(values));
  EXPECT_TRUE(std::isnan(values[12345]));
  EXPECT_EQ(values[0], static_cast<float>(world().size()));
}

TEST(AllGather, ConcatenatesInRankOrder) {
  const std::vector<double> mine{world().rank() + 0.25, world().rank() + 0.5};
  std::vector<double> all(2 * static_cast<std::size_t>(world().size()));
  all_gather(world(), mine, all);
  for (int r = 0; r < world().size(); ++r) {
    EXPECT_EQ(all[2 * static_cast<std::size_t>(r)], r + 0.25);
    EXPECT_EQ(all[2 * static_cast<std::size_t>(r) + 1], r + 0.5);
  }
}

}  // namespace
}  // namespace msn
