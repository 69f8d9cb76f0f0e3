// SPDX-License-Identifier: Apache-2.0
// Sections, the page in which ranks see each other, and a watchdog that only warns. How one ends a job:
// tests/train/stalls.sh.
#include "comm/watchdog.hpp"

#include <unistd.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>

#include "base/files.hpp"
#include "comm/flight_file.hpp"
#include "comm/heartbeat_page.hpp"
#include "support/mpi.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

using std::chrono::milliseconds;
using test::world;

TEST(Sections, AreSeenInTheHeartbeat) {
  Heartbeat beat{};
  FlightRecorder recorder;
  Sections sections(beat, recorder, 3);
  EXPECT_EQ(beat.rank, 3);
  EXPECT_EQ(beat.pid, ::getpid());
  EXPECT_EQ(beat.section, Section::start);
  sections.begin_step(1);
  EXPECT_EQ(beat.section, Section::data);
  EXPECT_EQ(beat.step, 1u);
  EXPECT_TRUE(beat.lenient);
  const std::uint64_t entries = beat.entries;
  sections.touch();
  EXPECT_EQ(beat.entries, entries + 1);
  {
    InSection in(&sections, Section::forward);
    EXPECT_EQ(beat.section, Section::forward);
    in.next(Section::backward);
    EXPECT_EQ(beat.section, Section::backward);
  }
  EXPECT_EQ(beat.section, Section::data);
  sections.begin_step(2);
  EXPECT_FALSE(beat.lenient);
  { const InSection in(&sections, Section::checkpoint); }
  sections.begin_step(3);
  EXPECT_TRUE(beat.lenient);
  const InSection nowhere(nullptr, Section::update);
}

TEST(Sections, AnExceptionLeavesTheSectionAsItWas) {
  Heartbeat beat{};
  FlightRecorder recorder;
  Sections sections(beat, recorder, 0);
  try {
    const InSection in(&sections, Section::reduce);
    throw std::runtime_error("lost");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(beat.section, Section::reduce);
  }
}

TEST(Sections, TellTimeOfTheirOwnFromWaits) {
  Heartbeat beat{};
  FlightRecorder recorder;
  Sections sections(beat, recorder, 0);
  double waited = 7;
  sections.measure_waits_by([&] { return waited; });
  sections.take_times();
  sections.enter(Section::forward);
  std::this_thread::sleep_for(milliseconds(20));
  waited += 0.005;
  sections.enter(Section::reduce);
  waited += 100;
  const SectionTimes times = sections.take_times();
  const auto at = [](const auto& list, Section section) { return list[static_cast<std::size_t>(section)]; };
  EXPECT_NEAR(at(times.waiting, Section::forward), 0.005, 1e-9);
  EXPECT_GE(at(times.busy, Section::forward), 0.0149);
  EXPECT_NEAR(at(times.waiting, Section::reduce), 100, 1e-9);
  EXPECT_EQ(at(times.busy, Section::reduce), 0);
  EXPECT_EQ(at(times.busy, Section::update), 0);
  EXPECT_EQ(at(sections.take_times().waiting, Section::reduce), 0);
}

TEST(Sections, KeepTheLastVisits) {
  Heartbeat beat{};
  FlightRecorder recorder;
  Sections sections(beat, recorder, 0);
  for (std::uint64_t step = 1; step <= 600; ++step)
    sections.begin_step(step);
  const auto history = sections.history();
  ASSERT_EQ(history.size(), 512u);
  for (std::size_t i = 0; i < history.size(); ++i)
    EXPECT_EQ(history[i].step, 89 + i);
}

TEST(FlightRecorder, PublishesHowFarItIs) {
  FlightRecorder recorder;
  const auto first = recorder.issued(Channel::tensors, CollectiveKind::sum, "a", 1);
  recorder.started(first);
  recorder.finished(first);
  CollectiveCounts counts{};
  recorder.publish(&counts);
  EXPECT_EQ(counts.issued[1], 1u);
  EXPECT_EQ(counts.finished[1], 1u);
  const auto second = recorder.issued(Channel::tensors, CollectiveKind::sum, "b", 1);
  EXPECT_EQ(counts.issued[1], 2u);
  EXPECT_EQ(counts.finished[1], 1u);
  recorder.finished(second);
  EXPECT_EQ(counts.finished[1], 2u);
  EXPECT_EQ(counts.issued[0], 0u);
  recorder.publish(nullptr);
  recorder.issued(Channel::tensors, CollectiveKind::sum, "c", 1);
  EXPECT_EQ(counts.issued[1], 2u);
  EXPECT_GE(recorder.seconds_inside(Channel::tensors), 0);
}

TEST(HeartbeatPage, ShowsEveryRankOfTheHost) {
  HeartbeatPage page(world());
  FlightRecorder recorder;
  Sections sections(page.mine(), recorder, world().rank());
  sections.begin_step(100 + static_cast<std::uint64_t>(world().rank()));
  world().barrier();
  EXPECT_EQ(page.all().size(), static_cast<std::size_t>(world().size()));
  for (std::size_t r = 0; r < page.all().size(); ++r) {
    EXPECT_EQ(page.all()[r].rank, static_cast<int>(r));
    EXPECT_NE(page.all()[r].pid, 0);
    EXPECT_EQ(page.all()[r].step, 100 + r);
  }
  std::int32_t nobody = 0;
  const bool first = page.host().speaker.compare_exchange_strong(nobody, 1 + page.own_place());
  EXPECT_EQ(world().sum(first ? 1 : 0), 1u);
}

TEST(HeartbeatPage, ForgetsARankThatLeaves) {
  const int last = world().size() - 1;
  std::optional<HeartbeatPage> page(std::in_place, world());
  FlightRecorder recorder;
  std::optional<Sections> sections(std::in_place, page->mine(), recorder, world().rank());
  world().barrier();
  EXPECT_NE(page->all()[static_cast<std::size_t>(last)].pid, 0);
  world().barrier();
  sections.reset();
  if (world().rank() == last) page.reset();
  world().barrier();
  if (page) {
    EXPECT_EQ(page->all()[static_cast<std::size_t>(last)].pid, 0);
  }
}

TEST(Watchdog, WarnsAndWritesARecordAtAThirdOfTheLimit) {
  const test::TempDir dir;
  const World self = World::alone();
  Watchdog watchdog(self, {.limit = Seconds(1.5), .folder = dir / "flight"});
  watchdog.sections().begin_step(1);
  watchdog.sections().begin_step(2);
  const auto record = self.recorder().issued(Channel::tensors, CollectiveKind::sum, "gradients", 64);
  watchdog.sections().enter(Section::reduce);
  const auto file = flight_file(dir / "flight", 0);
  for (int i = 0; i < 5000 && !std::filesystem::exists(file); ++i)
    std::this_thread::sleep_for(milliseconds(2));
  watchdog.sections().begin_step(3);
  self.recorder().finished(record);
  ASSERT_TRUE(std::filesystem::exists(file));
  const std::string text = read_text(file);
  for (const char* part : {"\"section\": \"reduce\"", "\"step\": 2", "a third of the limit", "\"what\":\"gradients\"",
                           "\"threads\": [", "\"cores\": \"", "\"host_ranks\": ["})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

TEST(Watchdog, LetsHealthyRanksWork) {
  Watchdog watchdog(world(), {.limit = Seconds(20)});
  for (std::uint64_t step = 1; step < 50; ++step) {
    watchdog.sections().begin_step(step);
    const InSection in(&watchdog.sections(), Section::reduce);
    EXPECT_EQ(world().sum(1), static_cast<std::uint64_t>(world().size()));
  }
}

TEST(Watchdog, RestsWithoutALimit) {
  const test::TempDir dir;
  Watchdog watchdog(world(), {.limit = Seconds(0), .folder = dir / "flight"});
  watchdog.sections().begin_step(1);
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_FALSE(std::filesystem::exists(dir / "flight"));
}

}  // namespace
}  // namespace msn
