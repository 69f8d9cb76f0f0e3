// SPDX-License-Identifier: Apache-2.0
#include "comm/collective_ledger.hpp"

#include <string>
#include <vector>

#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

CollectiveCall sum_of(const std::string& what) {
  return {CollectiveKind::sum, "Float", 10, 40, what};
}

/// How many of the recorder's collectives are finished.
std::size_t finished(const FlightRecorder& recorder) {
  std::size_t count = 0;
  for (const CollectiveRecord& record : recorder.records())
    count += record.finished != 0 ? 1 : 0;
  return count;
}

TEST(CollectiveLedger, FinishesWhatLiesBeforeAPastEvent) {
  FlightRecorder recorder;
  CollectiveLedger ledger(recorder);
  EXPECT_TRUE(ledger.is_idle());
  bool first = false, second = false;
  for (bool* past : {&first, &second}) {
    const std::uint64_t number = ledger.issued(sum_of("values"));
    ledger.started(number);
    ledger.ends_before(number, [past] { return *past; });
  }
  second = true;  // A stream comes to its events in order: this one cannot be past before the first.
  ledger.look();
  EXPECT_EQ(finished(recorder), 0u);
  first = true;
  ledger.look();
  EXPECT_EQ(finished(recorder), 2u);
  EXPECT_TRUE(ledger.is_idle());
  const CollectiveRecord record = recorder.records().front();
  EXPECT_EQ(record.what, "values");
  EXPECT_EQ(record.bytes, 40u);
  EXPECT_EQ(record.channel, Channel::tensors);
  EXPECT_GE(record.finished, record.started);
}

TEST(CollectiveLedger, AsksNoEventDuringACapture) {
  FlightRecorder recorder;
  CollectiveLedger ledger(recorder);
  int asked = 0;
  ledger.ends_before(ledger.issued(sum_of("before")), [&] { return ++asked > 0; });
  ledger.captured(sum_of("captured"));
  EXPECT_TRUE(ledger.is_capturing());
  ledger.look();
  EXPECT_EQ(asked, 0);
  EXPECT_EQ(recorder.records().size(), 1u) << "what is captured has not run";
  const CapturedCollectives captured = ledger.take_captured();
  ASSERT_EQ(captured.size(), 1u);
  EXPECT_EQ(captured[0].what, "captured");
  EXPECT_FALSE(ledger.is_capturing());
  EXPECT_TRUE(ledger.take_captured().empty());
  ledger.look();
  EXPECT_EQ(finished(recorder), 1u);
}

TEST(CollectiveLedger, RecordsEachReplay) {
  FlightRecorder recorder;
  CollectiveCounts counts{};
  recorder.publish(&counts);
  CollectiveLedger ledger(recorder);
  ledger.captured(sum_of("first"));
  ledger.captured(sum_of("second"));
  const CapturedCollectives captured = ledger.take_captured();
  bool past = false;
  for (int replay = 0; replay < 3; ++replay)
    ledger.replayed(captured, [&past] { return past; });
  EXPECT_EQ(counts.issued[1], 6u);
  ledger.look();
  EXPECT_EQ(counts.finished[1], 0u);
  EXPECT_FALSE(ledger.is_idle());
  past = true;
  ledger.look();
  EXPECT_EQ(counts.finished[1], 6u);
  EXPECT_TRUE(ledger.is_idle());
  EXPECT_EQ(recorder.records()[3].what, "second");
  EXPECT_NE(recorder.records()[3].started, 0);
}

TEST(CollectiveLedger, TellsWhatTheDeviceMet) {
  FlightRecorder recorder;
  CollectiveLedger ledger(recorder);
  ledger.ends_before(ledger.issued(sum_of("values")), []() -> bool { throw internal_error("the device is gone"); });
  EXPECT_THROW(ledger.look(), Error);
  EXPECT_THROW(ledger.look(), Error) << "the lock was let go";
  EXPECT_EQ(finished(recorder), 0u);
}

TEST(CollectiveLedger, ReplaysCountAsTheCallsThemselves) {
  // Rank 0 calls its collectives one by one, the others by a graph.
  FlightRecorder recorder;
  CollectiveLedger ledger(recorder);
  const CapturedCollectives calls{sum_of("first"), sum_of("second")};
  const auto once = [&](bool by_graph) {
    if (by_graph) return ledger.replayed(calls, [] { return true; });
    for (const CollectiveCall& call : calls)
      ledger.issued(call);
  };
  once(world().rank() != 0);
  EXPECT_NO_THROW(ledger.check_order(world()));
  if (world().size() == 1) return;
  if (world().rank() == 1) once(true);
  EXPECT_THROW(ledger.check_order(world()), AgreedError);
}

}  // namespace
}  // namespace msn
