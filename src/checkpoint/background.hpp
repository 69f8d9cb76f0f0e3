// SPDX-License-Identifier: Apache-2.0
// A thread that does one thing at a time beside its owner.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

namespace msn {

/// The thread is there from the beginning, so that what would keep it from starting shows then.
class BackgroundThread {
 public:
  /// Throws internal_error if no thread is to be had.
  explicit BackgroundThread(std::chrono::milliseconds patience = std::chrono::seconds(10));
  /// Waits for the job, but no longer than `patience`: a thread that the disk does not let go is left behind, with what
  /// its job holds. Tell the job beforehand, so that it ends early and touches nothing that goes away.
  ~BackgroundThread();
  BackgroundThread(const BackgroundThread&) = delete;
  BackgroundThread& operator=(const BackgroundThread&) = delete;

  /// Does `job`, which must not throw and must own all that it uses. The thread must be idle.
  void start(std::function<void()> job);
  /// Whether the last job has ended; what it did is visible then.
  bool idle() const;
  void wait_until_idle() const;

 private:
  struct State;
  std::chrono::milliseconds patience_;
  std::shared_ptr<State> state_;
};

}  // namespace msn
