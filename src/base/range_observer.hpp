// SPDX-License-Identifier: Apache-2.0
// Named ranges of a thread's time, for a profiler that wants to hear of them.
#pragma once

namespace msn {

/// Names live as long as the program.
class RangeObserver {
 public:
  virtual ~RangeObserver() = default;
  /// The last section ends and this one begins. No range is under way.
  virtual void section(const char* name) noexcept = 0;
  /// A range within the last one that has not ended.
  virtual void begin(const char* name) noexcept = 0;
  virtual void end() noexcept = 0;
};

/// Of the calling thread; null where nobody listens, which costs a look. Set where no range is under way.
inline constinit thread_local RangeObserver* range_observer = nullptr;

}  // namespace msn
