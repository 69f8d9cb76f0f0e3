// SPDX-License-Identifier: Apache-2.0
#include "data/byte_cache.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

namespace msn {
namespace {

TEST(ByteCache, KeepsACopyOfTheFirst) {
  ByteCache cache(3);
  EXPECT_EQ(cache.find(1), nullptr);
  std::array<std::byte, 2> bytes{std::byte{7}, std::byte{8}};
  cache.keep(1, bytes);
  bytes = {};
  cache.keep(1, bytes);
  ASSERT_NE(cache.find(1), nullptr);
  EXPECT_EQ(cache.find(1)[0], std::byte{7});
  EXPECT_EQ(cache.find(1)[1], std::byte{8});
  EXPECT_EQ(cache.find(0), nullptr);
}

TEST(ByteCache, ManyThreadsKeepTheSame) {
  ByteCache cache(100);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (std::uint64_t i = 0; i < 100; ++i)
          cache.keep(i, std::array{static_cast<std::byte>(i)});
      });
    }
  }
  for (std::uint64_t i = 0; i < 100; ++i)
    EXPECT_EQ(*cache.find(i), static_cast<std::byte>(i));
}

}  // namespace
}  // namespace msn
