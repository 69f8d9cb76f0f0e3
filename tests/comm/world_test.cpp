// SPDX-License-Identifier: Apache-2.0
#include "comm/world.hpp"

#include <stdexcept>
#include <string>
#include <vector>

#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

TEST(World, KnowsItsPlace) {
  EXPECT_GE(world().rank(), 0);
  EXPECT_LT(world().rank(), world().size());
  // All test ranks run on one host.
  EXPECT_EQ(world().local_size(), world().size());
  EXPECT_EQ(world().local_rank(), world().rank());
  EXPECT_FALSE(world().host().empty());
}

TEST(World, IsMadeOfAPartOfTheRanksToo) {
  MPI_Comm half = MPI_COMM_NULL;
  MSN_CHECK_MPI(MPI_Comm_split(world().comm(), world().rank() % 2, world().rank(), &half));
  const World part = World::over(half);
  MSN_CHECK_MPI(MPI_Comm_free(&half));
  EXPECT_EQ(part.size(), (world().size() + 1 - world().rank() % 2) / 2);
  EXPECT_EQ(part.rank(), world().rank() / 2);
  EXPECT_EQ(part.local_size(), part.size());
  EXPECT_EQ(part.thread_level(), world().thread_level());
  EXPECT_EQ(part.max(static_cast<std::uint64_t>(world().rank())) % 2, static_cast<std::uint64_t>(world().rank() % 2));
}

TEST(World, GathersTextsOfAllLengthsInRankOrder) {
  const auto text_of = [](int rank) {
    return std::string(static_cast<std::size_t>(rank) * 3, 'a' + static_cast<char>(rank));
  };
  const auto texts = world().gather(text_of(world().rank()));
  ASSERT_EQ(texts.size(), static_cast<std::size_t>(world().size()));
  for (int r = 0; r < world().size(); ++r)
    EXPECT_EQ(texts[static_cast<std::size_t>(r)], text_of(r));
}

TEST(World, BroadcastsFromAnyRank) {
  const int last = world().size() - 1;
  const std::string mine = world().rank() == last ? "the text of the last rank" : "another";
  EXPECT_EQ(world().broadcast(mine, last), "the text of the last rank");
  EXPECT_EQ(world().broadcast(world().rank() == 0 ? "" : "another"), "");
}

TEST(World, ReducesNumbersAndFlags) {
  const auto rank = static_cast<std::uint64_t>(world().rank()), size = static_cast<std::uint64_t>(world().size());
  EXPECT_EQ(world().sum(rank + 1), size * (size + 1) / 2);
  EXPECT_EQ(world().max(rank), size - 1);
  EXPECT_TRUE(world().any(rank == size - 1));
  EXPECT_FALSE(world().any(false));
  EXPECT_TRUE(world().all(true));
  EXPECT_FALSE(world().all(rank != 0));
}

TEST(Agree, PassesWhenNobodyFails) {
  int runs = 0;
  EXPECT_NO_THROW(world().agree([&] { ++runs; }));
  EXPECT_EQ(runs, 1);
}

TEST(Agree, ThrowsTheLowestFailingRanksErrorEverywhere) {
  const int first = world().size() > 1 ? 1 : 0;
  try {
    world().agree([&] {
      if (world().rank() >= first) {
        throw data_error("cannot read", "file of rank " + std::to_string(world().rank()), "look at it");
      }
    });
    ADD_FAILURE() << "did not throw";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_EQ(error.problem(), "cannot read");
    EXPECT_EQ(error.remedy(), "look at it");
    const std::string file = "file of rank " + std::to_string(first);
    if (world().size() == 1) {
      EXPECT_EQ(error.where(), file);
    } else {
      EXPECT_EQ(error.where(), file + ", rank 1 of " + std::to_string(world().size()) + ", host " + world().host());
    }
  }
}

TEST(Agree, TurnsForeignExceptionsIntoInternalErrors) {
  const int last = world().size() - 1;
  const auto code_of = [&](const std::function<void()>& thrower) {
    try {
      world().agree([&] {
        if (world().rank() == last) thrower();
      });
    } catch (const AgreedError& error) {
      return error.code();
    }
    return ExitCode::done;
  };
  EXPECT_EQ(code_of([] { throw std::out_of_range("an index"); }), ExitCode::internal);
  EXPECT_EQ(code_of([] { throw 7; }), ExitCode::internal);
}

TEST(OnRoot, GivesRankZerosDecisionToAll) {
  int runs = 0;
  const std::string text = world().on_root([&] {
    ++runs;
    return std::string("decided");
  });
  EXPECT_EQ(text, "decided");
  EXPECT_EQ(runs, world().rank() == 0 ? 1 : 0);
}

TEST(OnRoot, ThrowsRankZerosErrorEverywhere) {
  try {
    world().on_root([]() -> std::string { throw config_error("unknown key", "a.toml:3", "remove it"); });
    ADD_FAILURE() << "did not throw";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    EXPECT_STREQ(error.what(), "unknown key (a.toml:3): remove it");
  }
}

TEST(CheckMpi, NamesTheCall) {
  int rank = 0;
  try {
    MSN_CHECK_MPI(MPI_Bcast(&rank, 1, MPI_INT, world().size() + 5, world().comm()));
    ADD_FAILURE() << "broadcast from a rank that is not there";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_NE(std::string(error.what()).find("MPI_Bcast"), std::string::npos);
  }
}

}  // namespace
}  // namespace msn
