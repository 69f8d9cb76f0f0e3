// SPDX-License-Identifier: Apache-2.0
#include "train/stragglers.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace msn {
namespace {

constexpr std::size_t at(Section section) {
  return static_cast<std::size_t>(section);
}

SectionTimes times_of(double data, double forward, double waiting) {
  SectionTimes times;
  times.busy[at(Section::data)] = data;
  times.busy[at(Section::forward)] = forward;
  times.busy[at(Section::backward)] = 0.2;
  times.busy[at(Section::checkpoint)] = 50;  // Not of a step.
  times.waiting[at(Section::reduce)] = waiting;
  times.waiting[at(Section::checkpoint)] = 50;
  return times;
}

void add_step(Stragglers& stragglers, const std::vector<SectionTimes>& ranks) {
  std::vector<double> all;
  for (const SectionTimes& times : ranks) {
    const auto row = rank_times(times);
    all.insert(all.end(), row.begin(), row.end());
  }
  stragglers.add(all);
}

TEST(Stragglers, NameTheRankWithTheMostTimeOfItsOwn) {
  Stragglers stragglers({"n06", "n06", "n07"});
  // All take 1.3 s by the clock; rank 2 computes while the others wait for it.
  add_step(stragglers, {times_of(0.1, 0.3, 0.7), times_of(0.2, 0.3, 0.6), times_of(0.1, 1.0, 0.0)});
  add_step(stragglers, {times_of(0.1, 0.3, 0.9), times_of(0.2, 0.3, 0.8), times_of(0.1, 1.2, 0.0)});
  const StragglerReport report = stragglers.take();
  EXPECT_EQ(report.steps, 2u);
  EXPECT_EQ(report.slowest, 2);
  EXPECT_EQ(report.host, "n07");
  EXPECT_EQ(report.section, Section::forward);
  EXPECT_NEAR(report.behind, 1.4 - 0.7, 1e-12);
  EXPECT_NEAR(report.data.min, 0.1, 1e-12);
  EXPECT_NEAR(report.data.median, 0.1, 1e-12);
  EXPECT_NEAR(report.data.max, 0.2, 1e-12);
  EXPECT_NEAR(report.compute.min, 0.5, 1e-12);
  EXPECT_NEAR(report.compute.max, 1.3, 1e-12);
  EXPECT_NEAR(report.waiting.min, 0, 1e-12);
  EXPECT_NEAR(report.waiting.median, 0.7, 1e-12);
  EXPECT_NEAR(report.waiting.max, 0.8, 1e-12);
  EXPECT_NE(to_text(report).find("slowest is rank 2 (host n07): 700.0 ms behind the median, most in forward"),
            std::string::npos)
      << to_text(report);
}

TEST(Stragglers, BeginAnewAfterAReport) {
  Stragglers stragglers({"a", "b"});
  add_step(stragglers, {times_of(9, 9, 0), times_of(0.1, 0.1, 9)});
  EXPECT_EQ(stragglers.take().slowest, 0);
  add_step(stragglers, {times_of(0.1, 0.1, 0.5), times_of(0.5, 0.1, 0.1)});
  const StragglerReport report = stragglers.take();
  EXPECT_EQ(report.steps, 1u);
  EXPECT_EQ(report.slowest, 1);
  EXPECT_EQ(report.section, Section::data);
  EXPECT_NEAR(report.behind, 0.2, 1e-12);  // Of two ranks, half the difference.
}

}  // namespace
}  // namespace msn
