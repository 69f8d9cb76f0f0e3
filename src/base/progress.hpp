// SPDX-License-Identifier: Apache-2.0
// How far a long piece of work is: one line on a terminal, rewritten in place; elsewhere a line of the log now and
// then.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace msn {

/// 1234567 as "1,234,567".
std::string with_commas(std::uint64_t number);
/// "45 s", "12 min", "3 h 20 min"; rounded up.
std::string duration_text(double seconds);

struct ProgressState {
  std::string doing;  ///< "packing"
  std::string unit;   ///< "images"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  double seconds = 0;  ///< Since the work began.
  std::string note;    ///< "3 bad"; may be empty.
};

/// "packing 25,800 of 60,000 images, 1,234 a second, 28 s left, 3 bad".
std::string progress_text(const ProgressState& state);
/// The same with a bar before it if it fits into `columns`, else cut to fit.
std::string progress_bar(const ProgressState& state, int columns);

/// Shows progress until it is destroyed, which clears the terminal's line. Calls must not overlap.
class Progress {
 public:
  /// `descriptor` decides: a terminal gets the bar, at most 10 times a second; otherwise the log gets a line every 5 s.
  Progress(std::string doing, std::string unit, int descriptor = STDERR_FILENO);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done, std::uint64_t total, const std::string& note = {});
  /// Clears the terminal's line, before something else is written.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  ProgressState state_;
  int descriptor_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

}  // namespace msn
