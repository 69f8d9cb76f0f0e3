// SPDX-License-Identifier: Apache-2.0
// One page of memory in which the ranks of a host show each other what they are at. Reading it needs nothing of the
// rank that is looked at: it may be stopped, stuck inside MPI, or gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "comm/sections.hpp"
#include "comm/world.hpp"

namespace msn {

/// What the watchdogs of a host agree on.
struct HostState {
  std::atomic<std::int64_t> warned;   ///< Steady nanoseconds of the last warning.
  std::atomic<std::int64_t> stalled;  ///< Of the moment when a rank reached its limit; 0: none has.
  std::atomic<std::int32_t> speaker;  ///< 1 + the local rank that reports the stall to the user.
};

class HeartbeatPage {
 public:
  /// Memory that the local ranks share: nameless (memfd), so that nothing is left of it however they end. Where a rank
  /// cannot open it (another PID namespace), that rank has a page of its own, and the others see it as they see ranks
  /// of other hosts. All ranks call.
  explicit HeartbeatPage(const World& world);
  ~HeartbeatPage();
  HeartbeatPage(const HeartbeatPage&) = delete;
  HeartbeatPage& operator=(const HeartbeatPage&) = delete;

  Heartbeat& mine() const { return beats_[own_]; }
  /// By local rank, mine among them; pid is 0 where nobody is.
  std::span<const Heartbeat> all() const { return {beats_, count_}; }
  HostState& host() const { return *state_; }
  int own_place() const { return static_cast<int>(own_); }

 private:
  void lay_out(void* memory);

  std::size_t bytes_ = 0;
  std::size_t count_ = 1;
  std::size_t own_ = 0;
  void* memory_ = nullptr;
  HostState* state_ = nullptr;
  Heartbeat* beats_ = nullptr;
};

}  // namespace msn
