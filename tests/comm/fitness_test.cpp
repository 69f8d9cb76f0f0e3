// SPDX-License-Identifier: Apache-2.0
// What msn --self-test mpi asks of the ranks.
#include <array>
#include <cmath>
#include <filesystem>
#include <vector>

#include "comm/clock_offsets.hpp"
#include "comm/exchange_trial.hpp"
#include "comm/shared_folder.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using test::world;

TEST(ExchangeTrial, FindsBothWaysRight) {
  for (const ExchangePath path : {ExchangePath::shared_memory, ExchangePath::messages})
    EXPECT_NO_THROW(try_exchange(world(), path));
}

TEST(ClockOffsets, TellsAClockThatIsWrong) {
  std::vector<int> others;
  for (int rank = 1; rank < world().size(); ++rank)
    others.push_back(rank);
  const auto clock = [] { return system_clock_seconds() + 100.0 * world().rank(); };
  const std::vector<ClockOffset> offsets = clock_offsets(world(), others, clock);
  ASSERT_EQ(offsets.size(), world().rank() == 0 ? others.size() : 0);
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    EXPECT_EQ(offsets[i].rank, others[i]);
    EXPECT_NEAR(offsets[i].ahead, 100.0 * others[i], offsets[i].error + 1e-3);
    EXPECT_GE(offsets[i].error, 0);
  }
}

TEST(SharedFolder, IsOneForAllAndLeftEmpty) {
  const test::TempDir dir;
  const std::filesystem::path folder = world().broadcast(dir.path().string());
  EXPECT_NO_THROW(check_shared_folder(world(), folder));
  world().barrier();  // Every rank has removed its own.
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  world().barrier();
}

TEST(SharedFolder, RefusesADifferentOneOnOneRank) {
  const test::TempDir dir;
  const std::string shared = world().broadcast(dir.path().string());
  const int last = world().size() - 1;
  const std::string line = test::refusal([&] {
    check_shared_folder(world(), world().rank() == last ? dir.path() / "none" : std::filesystem::path(shared));
  });
  const char* said = last == 0 ? "there is no such folder" : "what rank 0 writes into the folder is not seen";
  EXPECT_NE(line.find(said), std::string::npos) << line;
  world().barrier();
}

}  // namespace
}  // namespace msn
