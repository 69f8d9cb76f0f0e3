// SPDX-License-Identifier: Apache-2.0
// What people see of a run in progress: on a terminal a line that is rewritten in place, elsewhere and in the run's log
// a line every ten seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "train/metrics.hpp"

namespace msn {

/// Over some steps.
struct Pace {
  double images_per_second = 0;
  double data_wait = 0;           ///< Share of the time that the slowest rank waited for data, from 0 to 1.
  double seconds_left = 0;        ///< To this life's last step, at the pace of this life so far.
  std::uint64_t total_steps = 0;  ///< Of the whole run as configured.
};

/// "step 1,234/50,000  epoch 3  loss 5.1234  96.2 images/s  data wait 4 %  2 h 13 min left".
std::string live_text(const StepMetrics& metrics, const Pace& pace);
/// The same with the loss's parts and what else tells whether the run is well.
std::string report_text(const StepMetrics& metrics, const Pace& pace);

/// Only rank 0 makes one; when it goes, the terminal's line goes. The log must have its voice.
class RunProgress {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kBetweenReports{10};

  /// Of steps of `images` images from the one after `first` to `last`.
  RunProgress(std::uint64_t first, std::uint64_t last, std::uint64_t total_steps, int images,
              Clock::time_point now = Clock::now());
  ~RunProgress();
  RunProgress(const RunProgress&) = delete;
  RunProgress& operator=(const RunProgress&) = delete;

  /// Whether a report is due after this step.
  bool due(std::uint64_t step, Clock::time_point now = Clock::now()) const;
  /// If this step were over now, since the last report.
  Pace since_report(const StepMetrics& metrics, Clock::time_point now) const;
  /// A step is over. A report is made if it is due, with a second line about the ranks if `metrics` tells of them.
  void add(const StepMetrics& metrics, Clock::time_point now = Clock::now());

 private:
  /// A moment of the run, after so many steps.
  struct Mark {
    std::uint64_t step = 0;
    Clock::time_point time;
    double waited = 0;  ///< Seconds for data, up to then.
  };
  Mark mark(const StepMetrics& metrics, Clock::time_point now) const;
  Pace pace(const Mark& from, const Mark& to) const;

  const std::uint64_t last_;
  const std::uint64_t total_steps_;
  const int images_;
  Mark start_;  ///< After the first step, which is slower than others.
  bool began_ = false;
  Mark report_;  ///< The last one, where the next one's pace is measured from,
  Mark before_;  ///< and the one before it, where that of the live line is: it moves less.
  double waited_ = 0;
  Clock::time_point shown_;
};

}  // namespace msn
