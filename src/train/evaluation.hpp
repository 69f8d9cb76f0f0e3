// SPDX-License-Identifier: Apache-2.0
// When a run measures its network while it goes on. How is the caller's (TrainOptions::evaluate): this room knows
// nothing of classifiers.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "comm/sections.hpp"
#include "train/state.hpp"

namespace msn {

/// What one measurement found.
struct Evaluation {
  double top1 = 0;
  double top5 = 0;
  std::string text;    ///< For people: of what.
  double seconds = 0;  ///< That it took.
};

/// Measures a state that rests, on every rank; gives signs of life. It must leave the state, the order of data and
/// every stream of random numbers as they are.
using Evaluate = std::function<Evaluation(const TrainState& state, Sections& sections)>;

/// Measures after every so many epochs and at the end of the run.
class Evaluations {
 public:
  /// `every_steps` 0: never. `last` is the run's last step.
  Evaluations(Evaluate evaluate, std::uint64_t every_steps, std::uint64_t last);

  /// Whether the state after so many steps is measured.
  bool due_after(std::uint64_t step) const;
  /// Seconds that a measurement right after this step would take, by the longest one so far; 0 if none is due or known.
  double seconds_after(std::uint64_t step) const { return due_after(step) ? longest_ : 0; }
  /// Measures after `step` steps, which complete or lie in epoch `epoch`, from 1; times and logs. All ranks call.
  Evaluation run(std::uint64_t step, std::uint64_t epoch, const TrainState& state, Sections& sections);
  /// Says that a due measurement is not made: who ends early has no time to spare.
  void leave_out(std::uint64_t step) const;

 private:
  Evaluate evaluate_;
  std::uint64_t every_;
  std::uint64_t last_;
  double longest_ = 0;
  double total_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace msn
