// SPDX-License-Identifier: Apache-2.0
#include "base/stop_signals.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

namespace msn {
namespace {

using Names = std::vector<std::string>;

/// The signal that ends a child that runs `body`; 0 if it leaves by itself.
template <class Body>
int killed_by(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/// What is noted at a test's end comes back and is ignored.
class StopSignals : public testing::Test {
 protected:
  void SetUp() override { set_all(SIG_IGN); }
  void TearDown() override {
    catch_stop_signals(Names{});
    set_all(SIG_DFL);
  }

  static void set_all(void (*action)(int)) {
    for (const int number : {SIGUSR1, SIGUSR2, SIGTERM, SIGXCPU})
      std::signal(number, action);
  }
};

TEST_F(StopSignals, AreNotedManyTimesOver) {
  catch_stop_signals(Names{"USR1", "USR2", "TERM"});
  EXPECT_EQ(noted_stop_signal(), 0);
  for (int i = 0; i < 10; ++i)
    std::raise(SIGUSR2);
  EXPECT_EQ(noted_stop_signal(), SIGUSR2);
  std::raise(SIGTERM);
  EXPECT_EQ(noted_stop_signal(), SIGUSR2);
  EXPECT_EQ(stop_signal_text(noted_stop_signal()), "SIGUSR2");
}

TEST_F(StopSignals, MayReachAnyThread) {
  catch_stop_signals(Names{"TERM"});
  std::thread([] { std::raise(SIGTERM); }).join();
  EXPECT_EQ(noted_stop_signal(), SIGTERM);
}

TEST_F(StopSignals, LetASystemCallGoOn) {
  catch_stop_signals(Names{"USR1"});
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pthread_t reader = ::pthread_self();
  std::thread other([&] {
    ::usleep(20000);
    ::pthread_kill(reader, SIGUSR1);
    ::usleep(20000);
    ASSERT_EQ(::write(ends[1], "x", 1), 1);
  });
  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  EXPECT_EQ(noted_stop_signal(), SIGUSR1);
  other.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_F(StopSignals, OfTheFirstListStayNotedInTheSecond) {
  catch_stop_signals(Names{"USR1", "USR2", "TERM"});
  std::raise(SIGTERM);
  catch_stop_signals(Names{"TERM", "XCPU"});
  EXPECT_EQ(noted_stop_signal(), SIGTERM);
  std::raise(SIGXCPU);
  EXPECT_EQ(noted_stop_signal(), SIGTERM);
}

TEST_F(StopSignals, LeftOutOfTheSecondListActAsBefore) {
  set_all(SIG_DFL);
  EXPECT_EQ(killed_by([] {
              catch_stop_signals(Names{"USR1", "USR2"});
              catch_stop_signals(Names{"USR2"});
              std::raise(SIGUSR1);
            }),
            SIGUSR1);
  // One that came before the second list was known does so at once.
  EXPECT_EQ(killed_by([] {
              catch_stop_signals(Names{"USR1", "USR2"});
              std::raise(SIGUSR1);
              catch_stop_signals(Names{"USR2"});
            }),
            SIGUSR1);
  EXPECT_EQ(killed_by([] {
              std::signal(SIGUSR1, SIG_IGN);
              catch_stop_signals(Names{"USR1"});
              std::raise(SIGUSR1);
              catch_stop_signals(Names{});
              std::raise(SIGUSR1);
            }),
            0);
}

TEST_F(StopSignals, HaveNamesWithoutCrashesAndWhatCannotBeCaught) {
  for (const std::string_view name : stop_signal_names()) {
    for (const char* other : {"KILL", "STOP", "SEGV", "BUS", "FPE", "ILL", "ABRT", "CONT", "CHLD"})
      EXPECT_NE(name, other);
  }
  EXPECT_EQ(stop_signal_text(SIGSEGV), "signal " + std::to_string(SIGSEGV));
}

}  // namespace
}  // namespace msn
