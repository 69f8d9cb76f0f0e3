// SPDX-License-Identifier: Apache-2.0
#include "train/run_progress.hpp"

#include <algorithm>
#include <utility>

#include "base/formatted.hpp"
#include "base/log.hpp"
#include "base/progress.hpp"

namespace msn {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kBetweenLines{100};

double seconds_between(RunProgress::Clock::time_point a, RunProgress::Clock::time_point b) {
  return std::max(1e-9, std::chrono::duration<double>(b - a).count());
}

std::string where(const StepMetrics& metrics, const Pace& pace) {
  return "step " + with_commas(metrics.step) + "/" + with_commas(pace.total_steps) + "  epoch " +
         std::to_string(metrics.epoch) + formatted("  loss %.4f", metrics.loss.loss);
}

std::string how_fast(const Pace& pace) {
  return formatted("  %.1f images/s  data wait %.0f %%  ", pace.images_per_second, 100 * pace.data_wait) +
         duration_text(pace.seconds_left) + " left";
}

}  // namespace

std::string live_text(const StepMetrics& metrics, const Pace& pace) {
  return where(metrics, pace) + how_fast(pace);
}

std::string report_text(const StepMetrics& metrics, const Pace& pace) {
  return where(metrics, pace) +
         formatted("  cross-entropy %.4f  me-max %.4f  lr %.2e  grad norm %.3f  prototypes %.0f",
                   metrics.loss.cross_entropy, metrics.loss.me_max, metrics.schedule.lr, metrics.grad_norm,
                   metrics.loss.prototypes_used) +
         how_fast(pace);
}

RunProgress::RunProgress(std::uint64_t first, std::uint64_t last, std::uint64_t total_steps, int images,
                         Clock::time_point now)
    : last_(last),
      total_steps_(total_steps),
      images_(images),
      start_{first, now},
      report_(start_),
      before_(start_),
      shown_(now - kBetweenLines) {}

RunProgress::~RunProgress() {
  log::show_live("");
}

bool RunProgress::due(std::uint64_t step, Clock::time_point now) const {
  return step == last_ || now - report_.time >= kBetweenReports;
}

Pace RunProgress::pace(const Mark& from, const Mark& to) const {
  Pace pace;
  pace.total_steps = total_steps_;
  const double seconds = seconds_between(from.time, to.time);
  pace.images_per_second = static_cast<double>(to.step - from.step) * images_ / seconds;
  pace.data_wait = std::min(1.0, (to.waited - from.waited) / seconds);
  if (to.step > start_.step) {
    pace.seconds_left = static_cast<double>(last_ - std::min(to.step, last_)) * seconds_between(start_.time, to.time) /
                        static_cast<double>(to.step - start_.step);
  }
  return pace;
}

RunProgress::Mark RunProgress::mark(const StepMetrics& metrics, Clock::time_point now) const {
  return {metrics.step, now, waited_ + metrics.data_wait_seconds};
}

Pace RunProgress::since_report(const StepMetrics& metrics, Clock::time_point now) const {
  return pace(report_, mark(metrics, now));
}

void RunProgress::add(const StepMetrics& metrics, Clock::time_point now) {
  const Mark here = mark(metrics, now);
  waited_ = here.waited;
  if (now - shown_ >= kBetweenLines) {
    log::show_live(live_text(metrics, pace(before_, here)));
    shown_ = now;
  }
  if (due(metrics.step, now)) {
    log::info_beside_live(report_text(metrics, pace(report_, here)));
    if (metrics.ranks) log::info_beside_live(to_text(*metrics.ranks));
    before_ = std::exchange(report_, here);
  }
  if (!began_) start_ = here;
  began_ = true;
}

}  // namespace msn
