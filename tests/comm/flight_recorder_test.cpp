// SPDX-License-Identifier: Apache-2.0
#include "comm/flight_recorder.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

namespace msn {
namespace {

TEST(FlightRecorder, NumbersEachChannelOnItsOwn) {
  FlightRecorder recorder;
  recorder.set_step(7);
  const auto first = recorder.issued(Channel::world, CollectiveKind::barrier, "barrier", 0);
  recorder.issued(Channel::tensors, CollectiveKind::sum, "gradients", 64);
  recorder.issued(Channel::world, CollectiveKind::max, "number", 8);
  recorder.started(first);
  recorder.finished(first);
  const auto records = recorder.records();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].sequence, 0u);
  EXPECT_GE(records[0].started, records[0].issued);
  EXPECT_GE(records[0].finished, records[0].started);
  EXPECT_EQ(records[1].sequence, 0u);
  EXPECT_EQ(records[1].channel, Channel::tensors);
  EXPECT_EQ(records[1].what, "gradients");
  EXPECT_EQ(records[1].bytes, 64u);
  EXPECT_EQ(records[1].step, 7u);
  EXPECT_EQ(records[1].started, 0);
  EXPECT_EQ(records[2].sequence, 1u);
}

TEST(FlightRecorder, KeepsTheLastOnes) {
  FlightRecorder recorder;
  const std::uint64_t total = FlightRecorder::capacity + 5;
  for (std::uint64_t i = 0; i < total; ++i)
    recorder.issued(Channel::tensors, CollectiveKind::sum, std::to_string(i), i);
  recorder.finished(0);  // Has left the ring.
  const auto records = recorder.records();
  ASSERT_EQ(records.size(), FlightRecorder::capacity);
  for (std::uint64_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].sequence, i + 5);
    EXPECT_EQ(records[i].finished, 0);
  }
}

TEST(FlightRecorder, WhatAnExceptionEndsStaysUnfinished) {
  FlightRecorder recorder;
  { const RecordedCollective good(recorder, Channel::world, CollectiveKind::gather, "texts", 1); }
  EXPECT_THROW(
      {
        const RecordedCollective bad(recorder, Channel::world, CollectiveKind::gather, "texts", 1);
        throw std::runtime_error("lost");
      },
      std::runtime_error);
  EXPECT_NE(recorder.records()[0].finished, 0);
  EXPECT_NE(recorder.records()[1].started, 0);
  EXPECT_EQ(recorder.records()[1].finished, 0);
}

TEST(FlightRecorder, ServesManyThreads) {
  FlightRecorder recorder;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i)
        recorder.finished(recorder.issued(Channel::tensors, CollectiveKind::sum, "x", 1));
    });
  }
  for (int i = 0; i < 20; ++i)
    EXPECT_LE(recorder.records().size(), FlightRecorder::capacity);
  threads.clear();
  EXPECT_EQ(recorder.records().back().sequence, 7999u);
}

}  // namespace
}  // namespace msn
