// SPDX-License-Identifier: Apache-2.0
#include "kernels/work_times.hpp"

#include <chrono>
#include <utility>

#include "base/range_observer.hpp"

namespace msn::kernels {

namespace {

struct ThreadWork {
  WorkTimes times{};
  TimedWork* innermost = nullptr;
  std::function<double()> waited;
};

thread_local ThreadWork this_thread;

/// Seconds of the steady clock that this thread did not wait.
double working_seconds() {
  const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  return this_thread.waited ? now - this_thread.waited() : now;
}

}  // namespace

std::string_view name_of(Work work) {
  constexpr std::string_view names[kWorks] = {"product", "attention", "layer_norm", "gelu",         "embedding",
                                              "head",    "loss",      "copy",       "gradient_sum", "optimizer"};
  return names[static_cast<std::size_t>(work)];
}

TimedWork::TimedWork(Work work, double bytes, double flops)
    : work_(work), outer_(std::exchange(this_thread.innermost, this)), began_(working_seconds()) {
  WorkTime& time = this_thread.times[static_cast<std::size_t>(work)];
  time.bytes += bytes;
  time.flops += flops;
  ++time.calls;
  if (range_observer != nullptr) range_observer->begin(name_of(work).data());
}

TimedWork::~TimedWork() {
  if (range_observer != nullptr) range_observer->end();
  const double seconds = working_seconds() - began_;
  this_thread.times[static_cast<std::size_t>(work_)].seconds += seconds - inner_;
  if (outer_ != nullptr) outer_->inner_ += seconds;
  this_thread.innermost = outer_;
}

WorkTimes take_work_times() {
  return std::exchange(this_thread.times, {});
}

WaitsOutOfWork::WaitsOutOfWork(std::function<double()> waited) {
  this_thread.waited = std::move(waited);
}

WaitsOutOfWork::~WaitsOutOfWork() {
  this_thread.waited = nullptr;
}

}  // namespace msn::kernels
