// SPDX-License-Identifier: Apache-2.0
#include "base/arena.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/random.hpp"

namespace msn {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

TEST(BestFit, TakesTheSmallestRangeThatIsLargeEnough) {
  std::pmr::unsynchronized_pool_resource nodes;
  BestFit ranges(1000, 10, nodes);
  const std::uint64_t a = ranges.take(100), b = ranges.take(10), c = ranges.take(45), d = ranges.take(1);
  EXPECT_EQ((std::vector{a, b, c, d}), (std::vector<std::uint64_t>{0, 100, 110, 160}));
  EXPECT_EQ(ranges.give_back(a), 100u);
  EXPECT_EQ(ranges.give_back(c), 50u);
  EXPECT_EQ(ranges.take(50), 110u) << "not the first of 100";
  EXPECT_EQ(ranges.take(20), 0u);
  EXPECT_EQ(ranges.take(20), 20u);
  EXPECT_EQ(ranges.take(61), 170u) << "60 are left below";
}

TEST(BestFit, JoinsFreeNeighboursAndGrowsTheLastFreeRange) {
  std::pmr::unsynchronized_pool_resource nodes;
  BestFit ranges(100, 10, nodes);
  std::vector<std::uint64_t> offsets;
  for (int i = 0; i < 6; ++i)
    offsets.push_back(ranges.take(10));
  for (const std::size_t i : {1, 3, 2})  // The last joins both.
    ranges.give_back(offsets[i]);
  EXPECT_EQ(ranges.take(30), 10u);
  ranges.give_back(offsets[5]);
  EXPECT_EQ(ranges.take(45), 50u) << "10 that were free and 40 beyond";
  EXPECT_EQ(ranges.take(1), BestFit::no_room);
  EXPECT_EQ(ranges.take(0), BestFit::no_room);
  EXPECT_EQ(ranges.take(~std::uint64_t{0}), BestFit::no_room);
}

TEST(Arena, GivesAlignedBlocksThatDoNotOverlap) {
  Arena arena(64 * kMiB);
  EXPECT_EQ(arena.capacity(), 64 * kMiB);
  RandomStream stream(1, 0, 0, 0, Purpose::generator);
  struct Block {
    unsigned char* begin;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<Block> blocks;
  const auto check_and_release = [&](std::size_t i) {
    const Block block = blocks[i];
    EXPECT_TRUE(std::all_of(block.begin, block.begin + block.bytes, [&](unsigned char c) { return c == block.mark; }));
    EXPECT_TRUE(arena.release(block.begin));
    blocks[i] = blocks.back();
    blocks.pop_back();
  };
  for (int i = 0; i < 2000; ++i) {
    const std::size_t bytes = 1 + stream.next_u32() % (i % 4 == 0 ? 400000 : 3000);
    auto* const begin = static_cast<unsigned char*>(arena.allocate(bytes));
    ASSERT_NE(begin, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(begin) % (bytes < Arena::small_limit ? 64 : 4096), 0u);
    blocks.push_back({begin, bytes, static_cast<unsigned char>(i)});
    std::memset(begin, blocks.back().mark, bytes);
    if (blocks.size() > 100) check_and_release(stream.next_u32() % blocks.size());
  }
  EXPECT_GT(arena.usage().in_use, 0u);
  while (!blocks.empty())
    check_and_release(blocks.size() - 1);
  const ArenaUsage usage = arena.usage();
  EXPECT_EQ(usage.in_use, 0u);
  EXPECT_EQ(usage.refused, 0u);
  EXPECT_GE(usage.committed, usage.peak_in_use);
  EXPECT_GT(usage.growths, 0u);
}

TEST(Arena, DoesNotGrowWhenRequestsAreRepeated) {
  Arena arena(256 * kMiB);
  const auto step = [&] {
    std::vector<void*> blocks;
    RandomStream stream(2, 0, 0, 0, Purpose::generator);
    for (int i = 0; i < 500; ++i) {
      blocks.push_back(arena.allocate(1 + stream.next_u32() % (std::size_t{1} << (4 + i % 17))));
      if (i % 3 == 0) {
        std::swap(blocks[stream.next_u32() % blocks.size()], blocks.back());
        arena.release(blocks.back());
        blocks.pop_back();
      }
    }
    for (void* const block : blocks)
      arena.release(block);
  };
  step();
  const ArenaUsage first = arena.usage();
  for (int i = 0; i < 5; ++i)
    step();
  EXPECT_EQ(arena.usage().growths, first.growths);
  EXPECT_EQ(arena.usage().committed, first.committed);
  EXPECT_EQ(arena.usage().peak_in_use, first.peak_in_use);
}

TEST(Arena, RefusesWhatDoesNotFitAndCountsIt) {
  Arena arena(32 * kMiB);
  EXPECT_EQ(arena.allocate(32 * kMiB), nullptr) << "a part is for small blocks";
  EXPECT_EQ(arena.allocate(~std::size_t{0}), nullptr);
  void* const most = arena.allocate(30 * kMiB);
  EXPECT_NE(most, nullptr);
  EXPECT_EQ(arena.allocate(kMiB), nullptr);
  EXPECT_NE(arena.allocate(100), nullptr) << "small blocks have a part of their own";
  EXPECT_EQ(arena.usage().refused, 3u);
  EXPECT_TRUE(arena.release(most));
  EXPECT_NE(arena.allocate(kMiB), nullptr);
  int other = 0;
  EXPECT_FALSE(arena.release(&other));
  EXPECT_FALSE(arena.release(nullptr));

  Arena none(0);
  EXPECT_EQ(none.allocate(1), nullptr);
  EXPECT_FALSE(none.release(&other));
  EXPECT_EQ(none.usage().committed, 0u);
}

TEST(Arena, ServesThreadsAndIsWholeInAForkedProcess) {
  Arena arena(64 * kMiB);
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int t = 1; t <= 3; ++t) {
    threads.emplace_back([&arena, &stop, t] {
      while (!stop) {
        auto* const block = static_cast<unsigned char*>(arena.allocate(static_cast<std::size_t>(t) * 50000));
        std::memset(block, t, 1000);
        EXPECT_EQ(block[999], t);
        arena.release(block);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    arena.mutex().lock();
    const pid_t child = ::fork();
    arena.mutex().unlock();
    if (child == 0) {
      ::alarm(20);
      void* const block = arena.allocate(70000);
      std::memset(block, 1, 70000);
      ::_exit(arena.release(block) ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  stop = true;
  for (std::thread& thread : threads)
    thread.join();
  EXPECT_EQ(arena.usage().in_use, 0u);
}

}  // namespace
}  // namespace msn
