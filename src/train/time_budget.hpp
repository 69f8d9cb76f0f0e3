// SPDX-License-Identifier: Apache-2.0
// Stopping in time: whether one more step and the checkpoint after it fit before the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace msn {

/// How long a checkpoint of `bytes` may take where none was measured: a second, and its bytes at 50 MB/s, for writing,
/// reading back and making durable. A disk without seek times or a parallel file system is ten times as fast.
double slow_save_seconds(std::uint64_t bytes);

class TimeBudget {
 public:
  using Clock = std::chrono::steady_clock;

  /// What must be over at `end`, of which the last `margin` seconds are not for training.
  struct Limit {
    Clock::time_point end;
    double margin = 0;
  };

  /// A step has taken so long.
  void add_step(double seconds);

  /// Whether no more step fits before the limit: the longest of the last 20, the checkpoint, which takes
  /// `save_seconds`, and a tenth of both, since neither is always the same.
  bool is_spent(const Limit& limit, double save_seconds, Clock::time_point now) const;

 private:
  std::deque<double> steps_;
};

}  // namespace msn
