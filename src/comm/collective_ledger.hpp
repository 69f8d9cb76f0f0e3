// SPDX-License-Identifier: Apache-2.0
// What is known on the host of collectives that run on a stream of a device. No CUDA and no LibTorch in here.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "comm/collective_order.hpp"
#include "comm/flight_recorder.hpp"
#include "comm/world.hpp"

namespace msn {

/// A collective as it is called.
struct CollectiveCall {
  CollectiveKind kind = CollectiveKind::sum;
  std::string type;         ///< Of an element.
  std::uint64_t count = 0;  ///< Elements that a rank gives.
  std::uint64_t bytes = 0;  ///< The same in bytes.
  std::string what;         ///< What it is for, in a word or two.
};

/// The collectives of one captured graph, in their order.
using CapturedCollectives = std::vector<CollectiveCall>;

/// Keeps the flight record and the order of collectives that a device runs: they are issued, lie before an event, and
/// are finished when the host has seen that event. Those of a graph that is being captured run later: they are noted,
/// and recorded anew at each replay.
class CollectiveLedger {
 public:
  /// Whether the device has come to an event. Throws what the device met.
  using IsPast = std::function<bool()>;

  /// `recorder` must outlive it.
  explicit CollectiveLedger(FlightRecorder& recorder) : recorder_(recorder) {}

  // From the thread that issues:
  /// A collective is about to be put on the stream; gives its number for started() and ends_before().
  std::uint64_t issued(const CollectiveCall& call);
  /// It is on the stream.
  void started(std::uint64_t number) { recorder_.started(number); }
  /// It is done when `is_past`. In the stream's order.
  void ends_before(std::uint64_t number, IsPast is_past);
  /// A collective was captured instead. From now on until take_captured() events must not be asked: look() asks none.
  void captured(CollectiveCall call);
  CapturedCollectives take_captured();
  /// A graph with `calls` was launched; `is_past` tells of an event behind it.
  void replayed(const CapturedCollectives& calls, IsPast is_past);
  /// Throws an agreed error that names a rank which issued others. All ranks call at the same place.
  void check_order(const World& world) const { order_.check(world); }

  // From any thread:
  /// Tells the recorder of those that are done.
  void look();
  /// Whether all are done, as far as the last look() knows.
  bool is_idle() const;
  bool is_capturing() const { return capturing_; }

 private:
  struct Pending {
    std::vector<std::uint64_t> numbers;  ///< Of the recorder.
    IsPast is_past;
  };

  FlightRecorder& recorder_;
  CollectiveOrder order_;
  CapturedCollectives captured_;
  std::atomic<bool> capturing_ = false;
  mutable std::mutex mutex_;  ///< Of `pending_`.
  std::deque<Pending> pending_;
};

}  // namespace msn
