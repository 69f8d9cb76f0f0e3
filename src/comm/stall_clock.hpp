// SPDX-License-Identifier: Apache-2.0
// When a section has lasted too long. No clock is read here: the caller says how much time has passed.
#pragma once

#include <chrono>
#include <cstdint>

#include "comm/sections.hpp"

namespace msn {

using Seconds = std::chrono::duration<double>;

/// How long a section may last, where one of an ordinary step may last `limit`: the first step of a life and one after
/// a checkpoint twice as long; start, checkpoint and evaluate, in which one rank may work while all others wait, six
/// times; start 60 times if it copies data.
Seconds limit_of(Section section, bool lenient, bool copies_data, Seconds limit);

/// How often a watchdog looks: often enough for the limit, at most once a second.
Seconds tick_of(Seconds limit);

/// Counts the time since a rank's last sign of life. A tick that comes late counts for three at most: the watchdog
/// itself was not run then (the job was suspended, the machine slept), and nor was what it watches.
class StallClock {
 public:
  explicit StallClock(Seconds tick) : most_(3 * tick) {}

  /// `passed` since the last tick; `entries`: signs of life so far. Returns the time counted since the last of them.
  Seconds tick(Seconds passed, std::uint64_t entries);

  /// Begins to count anew.
  void reset() { counted_ = Seconds(0); }

 private:
  const Seconds most_;
  std::uint64_t entries_ = 0;
  Seconds counted_{0};
};

}  // namespace msn
