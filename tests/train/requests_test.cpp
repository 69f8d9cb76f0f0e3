// SPDX-License-Identifier: Apache-2.0
// Whatever rank has a wish, all ranks decide the same.
#include "train/requests.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/stop_signals.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// A run folder that all ranks see, and signals that are only noted.
class RequestsTest : public testing::Test {
 protected:
  RequestsTest() {
    if (test::world().rank() == 0) own_.emplace();
    run_ = test::world().broadcast(own_ ? own_->path().string() : "");
    ::unsetenv("MSN_JOB_END");
    ::unsetenv("SLURM_JOB_END_TIME");
    // What is noted at the end comes back and is ignored.
    for (const int number : {SIGUSR1, SIGUSR2, SIGTERM})
      std::signal(number, SIG_IGN);
    catch_stop_signals(std::vector<std::string>{"USR1", "USR2", "TERM"});
  }
  ~RequestsTest() override {
    catch_stop_signals({});
    test::world().barrier();
  }

  Requests::Options options() const { return {.run = run_}; }

  /// Rank 0 makes an empty file; the others see it afterwards.
  void touch(const std::string& name) const {
    if (test::world().rank() == 0) std::ofstream(run_ / name).flush();
    test::world().barrier();
  }

  fs::path run_;

 private:
  std::optional<test::TempDir> own_;
};

/// The training loop's clock, and the end of one of its steps.
struct Loop {
  explicit Loop(const Requests::Options& options) : requests(test::world(), options, now) {}

  void end_step(Requests::Clock::duration step = 10ms, double save_seconds = 0.01) {
    now += step;
    const Wishes mine = requests.poll(save_seconds, now);
    Wishes largest;
    MPI_Allreduce(&mine.stop, &largest.stop, 1, MPI_DOUBLE, MPI_MAX, test::world().comm());
    MPI_Allreduce(&mine.save, &largest.save, 1, MPI_DOUBLE, MPI_MAX, test::world().comm());
    requests.decide(largest);
  }

  Requests::Clock::time_point now = Requests::Clock::now();
  Requests requests;
};

void expect_stop(const Requests& requests, const std::string& why) {
  for (const std::string& text : test::world().gather(requests.stop() ? to_text(requests.stop_wish()) : "goes on"))
    EXPECT_EQ(text, why);
}

TEST(StopWish, IsANumberAndBack) {
  double before = 0;
  for (const StopCause cause : {StopCause::max_seconds, StopCause::job_end, StopCause::file, StopCause::signal}) {
    for (const int signal : {0, SIGUSR1, SIGTERM, 64}) {
      for (const int rank : {1 << 30, 70000, 1, 0}) {
        const StopWish wish{cause, signal, rank};
        EXPECT_EQ(stop_wish_of(to_number(wish)), wish);
        EXPECT_GT(to_number(wish), before) << "later causes and lower ranks win";
        before = to_number(wish);
      }
    }
  }
  EXPECT_EQ(stop_wish_of(0), StopWish{});
  EXPECT_EQ(to_number({StopCause::none, 0, 3}), 0);
}

TEST_F(RequestsTest, AreNoneOfThemselves) {
  Loop loop(options());
  for (int step = 0; step < 3; ++step)
    loop.end_step();
  expect_stop(loop.requests, "goes on");
  EXPECT_FALSE(loop.requests.save());
}

TEST_F(RequestsTest, OfASignalToAnyRankReachAll) {
  Loop loop(options());
  const int last = test::world().size() - 1;
  if (test::world().rank() == last) {
    for (int i = 0; i < 10; ++i)
      std::raise(SIGUSR1);
  }
  loop.end_step();
  expect_stop(loop.requests, "SIGUSR1 (rank " + std::to_string(last) + ")");
  EXPECT_FALSE(loop.requests.save());
}

TEST_F(RequestsTest, OfSeveralRanksAreOne) {
  Loop loop(options());
  std::raise(test::world().rank() == 0 ? SIGUSR2 : SIGTERM);
  touch("stop");
  loop.end_step();
  expect_stop(loop.requests, test::world().size() > 1 ? "SIGTERM (rank 1)" : "SIGUSR2 (rank 0)");
}

TEST_F(RequestsTest, OfTheFileStopStayThere) {
  Loop loop(options());
  touch("stop");
  loop.end_step();
  expect_stop(loop.requests, "the file stop");
  EXPECT_TRUE(fs::exists(run_ / "stop"));
}

TEST_F(RequestsTest, OfTheFileSaveAreTakenOnce) {
  Loop loop(options());
  touch("save");
  loop.end_step();
  EXPECT_TRUE(loop.requests.save());
  expect_stop(loop.requests, "goes on");
  EXPECT_FALSE(fs::exists(run_ / "save"));
  loop.end_step();
  EXPECT_TRUE(loop.requests.save()) << "until it is fulfilled, which steps under way may put off";
  loop.requests.saved(loop.now);
  EXPECT_FALSE(loop.requests.save());
  loop.end_step();
  EXPECT_FALSE(loop.requests.save());
  touch("save");
  loop.end_step(500ms);
  EXPECT_FALSE(loop.requests.save()) << "looked for at most once a second";
  loop.end_step(500ms);
  EXPECT_TRUE(loop.requests.save());
}

TEST_F(RequestsTest, OfAFileSaveThatCannotBeRemovedAreTakenOnce) {
  Loop loop(options());
  if (test::world().rank() == 0) fs::create_directories(run_ / "save" / "not empty");
  loop.end_step();
  EXPECT_TRUE(loop.requests.save());
  loop.requests.saved(loop.now);
  loop.end_step(2s);
  EXPECT_FALSE(loop.requests.save());
}

TEST_F(RequestsTest, OfTheClockCountFromTheLastCheckpoint) {
  Requests::Options every = options();
  every.every_minutes = 2.5;
  Loop loop(every);
  loop.end_step(149s);
  EXPECT_FALSE(loop.requests.save());
  loop.requests.saved(loop.now);  // One of another kind.
  loop.end_step(149s);
  EXPECT_FALSE(loop.requests.save());
  loop.end_step(1s);
  EXPECT_TRUE(loop.requests.save());
  loop.requests.saved(loop.now);
  loop.end_step(149s);
  EXPECT_FALSE(loop.requests.save());
  expect_stop(loop.requests, "goes on");
}

TEST_F(RequestsTest, StopWhenTheTimeIsUp) {
  Requests::Options short_time = options();
  short_time.max_seconds = 0.001;
  Loop loop(short_time);
  loop.end_step();
  expect_stop(loop.requests, "--max-seconds");
}

// Of an hour 2 seconds are for the end.
TEST_F(RequestsTest, StopWhenNoMoreStepFits) {
  Requests::Options an_hour = options();
  an_hour.max_seconds = 3600;
  Loop steps(an_hour);
  steps.end_step(1600s, 1);
  expect_stop(steps.requests, "goes on");
  steps.end_step(300s, 1);
  expect_stop(steps.requests, "--max-seconds");

  Loop saves(an_hour);
  saves.end_step(1s, 3000);
  expect_stop(saves.requests, "goes on");
  saves.end_step(1s, 3300);
  expect_stop(saves.requests, "--max-seconds");

  // The time of a checkpoint is none of the step after it.
  Loop after(an_hour);
  after.end_step(1s, 1);
  after.requests.saved(after.now += 1700s);
  after.end_step(1s, 1600);
  expect_stop(after.requests, "goes on");
}

TEST_F(RequestsTest, StopBeforeTheJobEnds) {
  ::setenv("MSN_JOB_END", std::to_string(std::time(nullptr) + 3600).c_str(), 1);
  Loop loop(options());
  loop.end_step(1s, 1);
  expect_stop(loop.requests, "goes on");
  loop.end_step(2000s, 1);
  expect_stop(loop.requests, "the job's end");

  Requests::Options other = options();
  other.job_end = false;
  Loop ignores(other);
  ignores.end_step(2000s, 1);
  expect_stop(ignores.requests, "goes on");

  // Its last 15 seconds are not for training.
  ::setenv("MSN_JOB_END", std::to_string(std::time(nullptr) + 14).c_str(), 1);
  Loop soon(options());
  soon.end_step(0s, 0.001);
  expect_stop(soon.requests, "the job's end");
}

TEST_F(RequestsTest, BearAnyNumber) {
  ::setenv("MSN_JOB_END", "9000000000", 1);
  Requests::Options long_time = options();
  long_time.max_seconds = 1e300;
  long_time.every_minutes = 1e6;
  Loop loop(long_time);
  loop.end_step(1s, 1);
  expect_stop(loop.requests, "goes on");
  EXPECT_FALSE(loop.requests.save());
}

TEST_F(RequestsTest, ARunWithTheFileStopDoesNotBegin) {
  EXPECT_NO_THROW(check_stop_file(test::world(), run_));
  const auto message = [&] {
    try {
      check_stop_file(test::world(), run_);
    } catch (const AgreedError& error) {
      EXPECT_EQ(error.code(), ExitCode::stopped);
      return std::string(error.what());
    }
    return std::string("it begins");
  };
  test::world().barrier();
  touch("stop");
  EXPECT_EQ(message(), "nothing was done, because the run's file stop is there; there is no checkpoint yet (" +
                           (run_ / "stop").string() + "): remove it, then run the same command again");
  if (test::world().rank() == 0) fs::create_directories(run_ / "checkpoints" / "step-00000020");
  test::world().barrier();
  EXPECT_NE(message().find("the newest checkpoint is " + (run_ / "checkpoints/step-00000020").string()),
            std::string::npos);
}

}  // namespace
}  // namespace msn
