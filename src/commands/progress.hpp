// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace msn {

/// A line of progress every few seconds of a long piece of work, to the log.
class ProgressLines {
 public:
  /// `verb` for instance "checked": "checked 1200 of 5000 images, 400 a second".
  explicit ProgressLines(std::string verb) : verb_(std::move(verb)) {}

  void operator()(std::uint64_t done, std::uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  std::string verb_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
};

}  // namespace msn
