// SPDX-License-Identifier: Apache-2.0
// When a run stops before its end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace msn {

/// Why a run stops before its end. Of the causes that ranks have, the largest counts. `taken_over`:
/// another job has the run folder; nothing is saved.
enum class StopCause : std::uint8_t { none, time, taken_over };

/// What a rank wants at the end of a step. It rides in the step's message: what one rank wants all ranks do.
struct Wishes {
  StopCause stop = StopCause::none;
};

/// This rank's wishes.
class Requests {
 public:
  /// `max_seconds` of this life, counted from here.
  explicit Requests(std::optional<double> max_seconds);

  /// At the end of a step. Communicates nothing.
  Wishes poll() const;

 private:
  std::optional<double> max_seconds_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace msn
