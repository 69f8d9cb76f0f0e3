// SPDX-License-Identifier: Apache-2.0
#include "comm/sections.hpp"

#include <unistd.h>

#include <algorithm>

#include "base/inject.hpp"
#include "base/range_observer.hpp"

namespace msn {

namespace {

constexpr std::size_t kHistory = 512;

bool is_long(Section section) {
  return section == Section::start || section == Section::checkpoint || section == Section::evaluate;
}

}  // namespace

const char* to_string(Section section) {
  constexpr const char* names[kSections] = {"start",  "data",   "forward",    "backward",
                                            "reduce", "update", "checkpoint", "evaluate"};
  const auto index = static_cast<std::size_t>(section);
  return index < kSections ? names[index] : "unknown";
}

std::int64_t steady_nanoseconds() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_start).count();
}

Sections::Sections(Heartbeat& heartbeat, FlightRecorder& recorder, int rank)
    : heartbeat_(heartbeat), recorder_(recorder), rank_(rank), accounted_(steady_nanoseconds()) {
  ring_.reserve(kHistory);
  waited_ = [&recorder] { return recorder.seconds_inside(Channel::world) + recorder.seconds_inside(Channel::tensors); };
  waited_before_ = waited_();
  heartbeat_.rank = rank;
  heartbeat_.since = accounted_;
  heartbeat_.section = Section::start;
  heartbeat_.pid = ::getpid();
  ring_.push_back({Section::start, 0, accounted_});
  visits_ = 1;
}

void Sections::measure_waits_by(Waited waited) {
  account(steady_nanoseconds());
  waited_ = std::move(waited);
  waited_before_ = waited_();
}

void Sections::account(std::int64_t now) {
  const double waited = waited_();
  const auto section = static_cast<std::size_t>(heartbeat_.section.load(std::memory_order_relaxed));
  const double waiting = waited - waited_before_;
  times_.waiting[section] += waiting;
  times_.busy[section] += std::max(0.0, 1e-9 * static_cast<double>(now - accounted_) - waiting);
  waited_before_ = waited;
  accounted_ = now;
}

Section Sections::enter(Section section) {
  const std::int64_t now = steady_nanoseconds();
  account(now);
  const Section before = heartbeat_.section.load(std::memory_order_relaxed);
  heartbeat_.section.store(section, std::memory_order_relaxed);
  heartbeat_.since.store(now, std::memory_order_relaxed);
  heartbeat_.entries.fetch_add(1, std::memory_order_release);
  if (is_long(section)) lenient_next_ = true;
  if (range_observer != nullptr) range_observer->section(to_string(section));
  const std::uint64_t step = heartbeat_.step.load(std::memory_order_relaxed);
  {
    const std::lock_guard guard(mutex_);
    const SectionVisit visit{section, step, now};
    if (ring_.size() < kHistory) {
      ring_.push_back(visit);
    } else {
      ring_[visits_ % kHistory] = visit;
    }
    ++visits_;
  }
  inject(to_string(section), step, rank_);
  return before;
}

void Sections::begin_step(std::uint64_t step) {
  heartbeat_.step.store(step, std::memory_order_relaxed);
  heartbeat_.lenient.store(lenient_next_, std::memory_order_relaxed);
  lenient_next_ = false;
  recorder_.set_step(step);
  enter(Section::data);
}

void Sections::touch() {
  heartbeat_.since.store(steady_nanoseconds(), std::memory_order_relaxed);
  heartbeat_.entries.fetch_add(1, std::memory_order_release);
}

SectionTimes Sections::take_times() {
  account(steady_nanoseconds());
  return std::exchange(times_, {});
}

std::vector<SectionVisit> Sections::history() const {
  const std::lock_guard guard(mutex_);
  std::vector<SectionVisit> out(ring_);
  if (visits_ > kHistory) {
    std::rotate(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(visits_ % kHistory), out.end());
  }
  return out;
}

}  // namespace msn
