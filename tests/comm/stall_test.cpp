// SPDX-License-Identifier: Apache-2.0
// Who is at fault when nothing goes on, without waiting for anything: time is made up.
#include "comm/stall.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/files.hpp"
#include "comm/bounded.hpp"
#include "comm/flight_file.hpp"
#include "comm/process_facts.hpp"
#include "comm/stall_clock.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using std::chrono::milliseconds;

TEST(Limits, GiveMoreTimeWhereOneRankWorksForAll) {
  const Seconds limit(10);
  EXPECT_EQ(limit_of(Section::forward, false, false, limit), Seconds(10));
  EXPECT_EQ(limit_of(Section::data, true, true, limit), Seconds(20));
  EXPECT_EQ(limit_of(Section::checkpoint, true, false, limit), Seconds(60));
  EXPECT_EQ(limit_of(Section::evaluate, false, false, limit), Seconds(60));
  EXPECT_EQ(limit_of(Section::start, true, false, limit), Seconds(60));
  EXPECT_EQ(limit_of(Section::start, true, true, limit), Seconds(600));
}

TEST(Limits, AreLookedAtOftenEnough) {
  EXPECT_EQ(tick_of(Seconds(600)), Seconds(1));
  EXPECT_EQ(tick_of(Seconds(3)), Seconds(0.1));
  EXPECT_EQ(tick_of(Seconds(0.001)), Seconds(0.01));
}

TEST(StallClock, CountsFromTheLastSignOfLife) {
  StallClock clock(Seconds(1));
  EXPECT_EQ(clock.tick(Seconds(1), 5), Seconds(0));
  EXPECT_EQ(clock.tick(Seconds(1), 5), Seconds(1));
  EXPECT_EQ(clock.tick(Seconds(1.5), 5), Seconds(2.5));
  EXPECT_EQ(clock.tick(Seconds(1), 6), Seconds(0));
  EXPECT_EQ(clock.tick(Seconds(1), 6), Seconds(1));
  clock.reset();
  EXPECT_EQ(clock.tick(Seconds(1), 6), Seconds(1));
}

TEST(StallClock, ForgivesTimeInWhichTheWatchdogWasNotRun) {
  StallClock clock(Seconds(1));
  clock.tick(Seconds(1), 1);
  EXPECT_EQ(clock.tick(Seconds(8 * 3600), 1), Seconds(3));
  EXPECT_EQ(clock.tick(Seconds(1), 1), Seconds(4));
}

/// Four ranks on two hosts, all of which wait for collective 57 of the tensors.
std::vector<RankView> all_waiting() {
  std::vector<RankView> views;
  for (int rank = 0; rank < 4; ++rank) {
    RankView view;
    view.rank = rank;
    view.host = rank < 2 ? "n06" : "n07";
    view.known = true;
    view.section = Section::reduce;
    view.seconds = 30;
    view.step = 12;
    view.issued = {9, 58};
    view.finished = {9, 57};
    view.process = ProcessState::running;
    views.push_back(view);
  }
  return views;
}

CollectiveRecord gradients() {
  CollectiveRecord record;
  record.sequence = 57;
  record.channel = Channel::tensors;
  record.kind = CollectiveKind::sum;
  record.what = "gradients";
  record.step = 12;
  return record;
}

void lag(RankView& view) {
  view.section = Section::data;
  view.seconds = 31.2;
  view.issued[1] = view.finished[1] = 57;
}

TEST(DescribeStall, NamesTheRankThatHasNotCome) {
  auto views = all_waiting();
  lag(views[2]);
  EXPECT_EQ(describe_stall(views, gradients()),
            "rank 2 of 4 (host n07) has not come to collective 57 (sum \"gradients\") of step 12: in data of step 12 "
            "for 31 s");
}

TEST(DescribeStall, FindsTheCollectiveFromTheOthers) {
  auto views = all_waiting();
  lag(views[2]);
  EXPECT_EQ(describe_stall(views, std::nullopt),
            "rank 2 of 4 (host n07) has not come to collective 57 of step 12: in data of step 12 for 31 s");
}

TEST(DescribeStall, BlamesTheRankThatWaitsALaterStep) {
  auto views = all_waiting();
  views[2].step = 13;
  views[2].section = Section::forward;
  views[2].issued = {9, 59};
  views[2].finished = {9, 58};
  for (std::size_t r : {0, 1, 3}) {
    views[r].section = Section::update;
    views[r].issued = {10, 58};
    views[r].finished = {9, 58};
  }
  CollectiveRecord next = gradients();
  next.sequence = 58;
  next.step = 13;
  EXPECT_EQ(describe_stall(views, next),
            "rank 2 of 4 (host n07) has not come to control collective 9 of step 12: in forward of step 13 for 30 s");
}

TEST(DescribeStall, NamesSeveralRanks) {
  auto views = all_waiting();
  lag(views[1]);
  lag(views[2]);
  views[2].process = ProcessState::stopped;
  EXPECT_EQ(describe_stall(views, gradients()),
            "2 ranks have not come to collective 57 (sum \"gradients\") of step 12: rank 1 of 4 (host n06): in data of "
            "step 12 for 31 s; rank 2 of 4 (host n07): stopped by a signal, in data of step 12 for 31 s");
}

TEST(DescribeStall, CountsRanksBeyondTheFirstFour) {
  auto views = all_waiting();
  for (int rank = 4; rank < 10; ++rank) {
    views.push_back(views[3]);
    views.back().rank = rank;
    lag(views.back());
  }
  const std::string text = describe_stall(views, gradients());
  EXPECT_TRUE(text.starts_with("6 ranks have not come")) << text;
  EXPECT_NE(text.find("rank 7 of 10"), std::string::npos) << text;
  EXPECT_EQ(text.find("rank 8 of 10"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("; and 2 more")) << text;
}

TEST(DescribeStall, SaysWhatItDoesNotKnow) {
  auto views = all_waiting();
  views[3].known = false;
  EXPECT_EQ(describe_stall(views, gradients()),
            "rank 3 of 4 (host n07) has not come to collective 57 (sum \"gradients\") of step 12: nothing is known of "
            "it: it has ended, is stopped or cut off");
}

TEST(DescribeStall, NamesARankThatWasStoppedInsideTheCollective) {
  auto views = all_waiting();
  views[1].process = ProcessState::stopped;
  EXPECT_EQ(describe_stall(views, gradients()),
            "rank 1 of 4 (host n06) holds up collective 57 (sum \"gradients\") of step 12: stopped by a signal, in "
            "reduce of step 12 for 30 s");
}

TEST(DescribeStall, BlamesTheNetworkIfAllHaveCome) {
  const std::string text = describe_stall(all_waiting(), gradients());
  EXPECT_TRUE(
      text.starts_with("collective 57 (sum \"gradients\") of step 12 does not end although all ranks have come"))
      << text;
}

TEST(DescribeStall, NamesTheSlowestIfNobodyWaits) {
  auto views = all_waiting();
  for (RankView& view : views) {
    view.finished = view.issued;
    view.seconds = 1;
  }
  views[0].section = Section::checkpoint;
  views[0].seconds = 700;
  EXPECT_EQ(describe_stall(views, std::nullopt),
            "rank 0 of 4 (host n06) does not go on: in checkpoint of step 12 for 700 s");
}

TEST(Unfinished, IsTheOldestCollective) {
  std::vector<CollectiveRecord> records(3, gradients());
  for (std::size_t i = 0; i < 3; ++i)
    records[i].sequence = i;
  records[0].finished = 5;
  EXPECT_EQ(unfinished(records)->sequence, 1u);
  records[1].finished = records[2].finished = 5;
  EXPECT_FALSE(unfinished(records));
}

TEST(FlightFile, TellsOtherHostsWhatTheyNeed) {
  const test::TempDir dir;
  FlightFacts facts;
  facts.life = "abc";
  facts.ranks = 4;
  facts.self = all_waiting()[2];
  facts.self.host = "n\"07\n";
  facts.self.process = ProcessState::traced;
  facts.neighbours = {facts.self};
  facts.sections = {{Section::data, 12, 1}, {Section::reduce, 12, 2}};
  facts.collectives = {gradients()};
  const auto file = flight_file(dir.path(), 2);
  EXPECT_EQ(file.filename(), "rank-0002.json");
  EXPECT_FALSE(read_flight_file(file, "abc"));
  write_durably(file, flight_text(facts));
  EXPECT_FALSE(read_flight_file(file, "another life"));
  const auto glance = read_flight_file(file, "abc");
  ASSERT_TRUE(glance);
  EXPECT_EQ(glance->view.rank, 2);
  EXPECT_EQ(glance->view.host, facts.self.host);
  EXPECT_EQ(glance->view.section, Section::reduce);
  EXPECT_EQ(glance->view.step, 12u);
  EXPECT_EQ(glance->view.issued, facts.self.issued);
  EXPECT_EQ(glance->view.finished, facts.self.finished);
  EXPECT_EQ(glance->view.process, ProcessState::traced);
  EXPECT_LT(glance->age, 60);
  ASSERT_TRUE(glance->awaited);
  EXPECT_EQ(glance->awaited->sequence, 57u);
  EXPECT_EQ(glance->awaited->what, "gradients");
  EXPECT_EQ(glance->awaited->kind, CollectiveKind::sum);
  EXPECT_EQ(glance->awaited->channel, Channel::tensors);
}

TEST(FlightFile, OfNoUseIsNothing) {
  const test::TempDir dir;
  for (const char* text : {"", "{", "[]", "{\"life\": \"abc\"}", "{\"life\": \"abc\", \"rank\": \"two\"}"}) {
    write_durably(dir / "rank-0000.json", text);
    EXPECT_FALSE(read_flight_file(dir / "rank-0000.json", "abc")) << text;
  }
}

TEST(ProcessFacts, TellStoppedFromRunningFromEnded) {
  EXPECT_EQ(process_state(::getpid()), tracer_of(::getpid()) == 0 ? ProcessState::running : ProcessState::traced);
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;)
      ::pause();
  }
  ASSERT_GT(child, 0);
  int status = 0;
  ::kill(child, SIGSTOP);
  ::waitpid(child, &status, WUNTRACED);
  EXPECT_EQ(process_state(child), ProcessState::stopped);
  ::kill(child, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_EQ(process_state(child), ProcessState::ended);  // A zombie.
  ::waitpid(child, &status, 0);
  EXPECT_EQ(process_state(child), ProcessState::ended);
}

TEST(ProcessFacts, TellAProcessThatHasEndedFromOthers) {
  const ProcessIdentity self = this_process();
  EXPECT_EQ(self, this_process());
  EXPECT_GT(self.started, 0u);
  EXPECT_FALSE(has_ended(self));
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;)
      ::pause();
  }
  ASSERT_GT(child, 0);
  ProcessIdentity other = self;
  other.pid = child;
  other.started = 0;  // Not told.
  EXPECT_FALSE(has_ended(other));
  ::kill(child, SIGKILL);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_TRUE(has_ended(other)) << "a zombie";
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(has_ended(other));

  // Of what is elsewhere nothing is certain.
  for (std::string ProcessIdentity::*place :
       {&ProcessIdentity::host, &ProcessIdentity::boot, &ProcessIdentity::numbers}) {
    ProcessIdentity elsewhere = other;
    elsewhere.*place += "x";
    EXPECT_FALSE(has_ended(elsewhere));
    elsewhere.*place = "";
    EXPECT_FALSE(has_ended(elsewhere));
  }
  // Its number may be another's by now.
  ProcessIdentity before = self;
  --before.started;
  EXPECT_TRUE(has_ended(before));
  EXPECT_FALSE(has_ended(ProcessIdentity{}));
}

TEST(ProcessFacts, SeeThisThread) {
  const auto threads = threads_of_this_process();
  ASSERT_FALSE(threads.empty());
  bool found = false;
  for (const ThreadFacts& thread : threads)
    found = found || (thread.id == ::gettid() && thread.state == 'R' && !thread.name.empty());
  EXPECT_TRUE(found);
}

TEST(ProcessFacts, CountTimeFromTheProcessesStart) {
  // In a process of its own, whose start is known.
  const pid_t child = ::fork();
  if (child == 0) {
    const double before = seconds_since_process_start();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    const double after = seconds_since_process_start();
    ::_exit(before >= 0 && before < 5 && after - before > 0.25 && after - before < 5 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(RunBounded, DoesNotWaitForWorkThatHangs) {
  const auto flag = std::make_shared<std::atomic<bool>>(false);
  EXPECT_TRUE(run_bounded(milliseconds(10000), [flag] { *flag = true; }));
  EXPECT_TRUE(*flag);
  EXPECT_TRUE(run_bounded(milliseconds(10000), [] { throw std::runtime_error("lost"); }));
  const auto release = std::make_shared<std::atomic<bool>>(false);
  EXPECT_FALSE(run_bounded(milliseconds(20), [release] {
    while (!*release)
      ::usleep(1000);
  }));
  *release = true;
}

}  // namespace
}  // namespace msn
