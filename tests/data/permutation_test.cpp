// SPDX-License-Identifier: Apache-2.0
#include "data/permutation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace msn {
namespace {

TEST(Permutation, HoldsEveryValueOnceAndFindsItsPlace) {
  for (const std::uint64_t n : {1u, 2u, 3u, 5u, 16u, 17u, 1000u, 1025u}) {
    const Permutation order(n, {11, 2, Purpose::replacement, 3});
    std::vector<std::uint64_t> values;
    for (std::uint64_t place = 0; place < n; ++place) {
      values.push_back(order.at(place));
      ASSERT_EQ(order.place_of(values.back()), place) << "n " << n;
    }
    std::sort(values.begin(), values.end());
    for (std::uint64_t i = 0; i < n; ++i)
      ASSERT_EQ(values[i], i) << "n " << n;
  }
}

TEST(Permutation, LargeNumbersStayInRange) {
  const std::uint64_t n = std::uint64_t{1} << 32;
  const Permutation order(n, {1, 0});
  for (const std::uint64_t place : {std::uint64_t{0}, n / 3, n - 1}) {
    EXPECT_LT(order.at(place), n);
    EXPECT_EQ(order.place_of(order.at(place)), place);
  }
}

TEST(Permutation, EveryPartOfTheKeyCounts) {
  const PermutationKey base{1, 2, Purpose::shuffle, 0};
  for (const PermutationKey& other :
       {PermutationKey{2, 2, Purpose::shuffle, 0}, PermutationKey{1, 3}, PermutationKey{1, 2, Purpose::replacement},
        PermutationKey{1, 2, Purpose::shuffle, 1}, PermutationKey{1, 2, Purpose::shuffle, 0, 1},
        PermutationKey{1 + (std::uint64_t{1} << 32), 2}}) {
    int same = 0;
    for (std::uint64_t place = 0; place < 1000; ++place)
      same += Permutation(1000, base).at(place) == Permutation(1000, other).at(place);
    EXPECT_LT(same, 10);
  }
}

}  // namespace
}  // namespace msn
