// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "base/log.hpp"
#include "checkpoint/layout.hpp"
#include "checkpoint/state.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

class Retention : public testing::Test {
 protected:
  void write(std::initializer_list<std::uint64_t> steps) const {
    for (const std::uint64_t step : steps) {
      test::SmallState state(step);
      write_checkpoint(World::alone(), run(), test::facts_of_step(step), state.tensors(), 1);
    }
  }
  void write_measured(std::uint64_t step, double knn_top1) const {
    test::SmallState state(step);
    CheckpointFacts facts = test::facts_of_step(step);
    facts.knn_top1 = knn_top1;
    write_checkpoint(World::alone(), run(), facts, state.tensors(), 1);
  }
  const fs::path& run() const { return folder_.path(); }
  fs::path checkpoint(std::uint64_t step) const { return checkpoints_folder(run()) / step_name(step); }
  void name_latest(std::uint64_t step) const { write_latest(run(), step); }
  void pin(std::uint64_t step) const {
    fs::create_directories(run() / "pins");
    write_durably(pin_file(run(), step), "");
  }
  void damage(std::uint64_t step) const { fs::resize_file(checkpoint(step) / "state-00000-of-00001.h5", 10); }

  /// The steps that are there, as a reader sees them.
  std::set<std::uint64_t> left() const {
    std::set<std::uint64_t> steps;
    for (const Candidate& candidate : list_checkpoints(run()))
      steps.insert(candidate.step);
    return steps;
  }

  test::TempDir folder_;
};

using Steps = std::set<std::uint64_t>;

TEST_F(Retention, KeepsTheNewest) {
  write({10, 20, 30, 40, 50});
  apply_retention(run(), {.keep = 3});
  EXPECT_EQ(left(), (Steps{30, 40, 50}));
  apply_retention(run(), {.keep = 9});
  EXPECT_EQ(left(), (Steps{30, 40, 50}));
}

TEST_F(Retention, KeepsEveryNthForEver) {
  write({10, 20, 30, 40, 50, 60});
  apply_retention(run(), {.keep = 2, .keep_every = 20});
  EXPECT_EQ(left(), (Steps{20, 40, 50, 60}));
  apply_retention(run(), {.keep = 2, .keep_every = 0});
  EXPECT_EQ(left(), (Steps{50, 60}));
}

TEST_F(Retention, KeepsTheBestOfThoseThatWereMeasured) {
  write_measured(10, 0.4);
  write_measured(20, 0.6);
  write({30});
  write_measured(40, 0.5);
  write_measured(50, 0.6);
  write_measured(60, 0.3);
  write({70, 80});
  apply_retention(run(), {.keep = 2, .keep_best = 3});
  EXPECT_EQ(left(), (Steps{20, 40, 50, 70, 80}));
  // Of equal ones the newer is the better one, and one that is among the newest counts as well.
  apply_retention(run(), {.keep = 2, .keep_best = 1});
  EXPECT_EQ(left(), (Steps{50, 70, 80}));
  write_measured(90, 0.7);
  apply_retention(run(), {.keep = 2, .keep_best = 1});
  EXPECT_EQ(left(), (Steps{80, 90}));
  apply_retention(run(), {.keep = 2});
  EXPECT_EQ(left(), (Steps{80, 90}));
}

TEST_F(Retention, TheBestIsNotADamagedOne) {
  write_measured(10, 0.5);
  write_measured(20, 0.9);
  write({30});
  damage(20);
  apply_retention(run(), {.keep = 1, .keep_best = 1});
  EXPECT_EQ(left(), (Steps{10, 20, 30}));
}

TEST_F(Retention, KeepsPinnedOnesWhateverThePinIs) {
  write({10, 20, 30, 40, 50});
  pin(10);
  fs::create_symlink("nowhere", pin_file(run(), 20));
  apply_retention(run(), {.keep = 2});
  EXPECT_EQ(left(), (Steps{10, 20, 40, 50}));
  fs::remove(pin_file(run(), 10));
  apply_retention(run(), {.keep = 2});
  EXPECT_EQ(left(), (Steps{20, 40, 50}));
}

TEST_F(Retention, KeepsWhatLatestNames) {
  write({10, 20, 30, 40});
  name_latest(10);
  apply_retention(run(), {.keep = 2});
  EXPECT_EQ(left(), (Steps{10, 30, 40}));
}

TEST_F(Retention, KeepsWhatTheRunWasRestoredFromUntilANewerOneIsDurable) {
  write({10, 20, 30, 40});
  name_latest(10);
  apply_retention(run(), {.keep = 2, .restored_from = 10});
  EXPECT_EQ(left(), (Steps{10, 30, 40}));
  name_latest(40);
  apply_retention(run(), {.keep = 2, .restored_from = 10});
  EXPECT_EQ(left(), (Steps{30, 40}));
  write({50});
  name_latest(30);
  apply_retention(run(), {.keep = 1, .restored_from = 40});
  EXPECT_EQ(left(), (Steps{30, 40, 50}));
}

TEST_F(Retention, NeitherCountsNorDeletesWhatIsDamaged) {
  write({10, 20, 30, 40, 50, 60});
  damage(60);
  damage(20);
  apply_retention(run(), {.keep = 2});
  EXPECT_EQ(left(), (Steps{20, 40, 50, 60}));
}

TEST_F(Retention, GoesOnAfterADeletionThatFails) {
  write({10, 20, 30, 40, 50});
  // What stands where the doomed one is to be renamed to, and is not empty.
  fs::create_directories(deleted_folder(run(), 20) / "in the way");
  log::add_file(run() / "log");
  apply_retention(run(), {.keep = 2});
  EXPECT_EQ(left(), (Steps{20, 40, 50}));
  log::flush();
  EXPECT_NE(read_text(run() / "log").find("an old checkpoint stays: cannot rename"), std::string::npos);
  // The next write clears the way.
  write({60});
  apply_retention(run(), {.keep = 2});
  EXPECT_EQ(left(), (Steps{50, 60}));
}

TEST_F(Retention, WhatIsHalfDeletedIsInvisibleAndCleaned) {
  write({10, 20});
  fs::rename(checkpoint(10), deleted_folder(run(), 10));
  fs::remove(deleted_folder(run(), 10) / "manifest.json");
  EXPECT_EQ(left(), (Steps{20}));
  EXPECT_EQ(find_newest_checkpoint(run()), checkpoint(20));
  write({30});
  EXPECT_FALSE(fs::exists(deleted_folder(run(), 10)));
}

TEST_F(Retention, LeavesWhatWasSetAside) {
  write({10, 20, 30});
  for (const Aside why : {Aside::damaged, Aside::abandoned})
    fs::create_directory(aside_folder(run(), why, 5));
  apply_retention(run(), {.keep = 1});
  EXPECT_EQ(list_aside(run()), (std::vector<std::string>{"abandoned-step-00000005", "damaged-step-00000005"}));
  EXPECT_EQ(left(), (Steps{30}));
}

}  // namespace
}  // namespace msn
