// SPDX-License-Identifier: Apache-2.0
// What a rank is doing: a named section of its work, entered by the main thread, read by its watchdog, by the ranks of
// its host and by the crash handler.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "comm/flight_recorder.hpp"

namespace msn {

enum class Section : std::uint8_t { start, data, forward, backward, reduce, update, checkpoint, evaluate };
inline constexpr std::size_t kSections = 8;
const char* to_string(Section section);

/// A rank's state in a form that lies in shared memory and may be read at any moment. All zero is a good start.
struct alignas(128) Heartbeat {
  std::atomic<std::int32_t> pid;   ///< 0: nobody is here.
  std::atomic<std::int32_t> rank;  ///< Of the world.
  std::atomic<Section> section;
  std::atomic<bool> lenient;           ///< The first step of a life, or one after a checkpoint: it may take longer.
  std::atomic<bool> recorded;          ///< It has written what it knows of the stall that ends the job.
  std::atomic<std::uint64_t> step;     ///< Of training, from 1; 0: not yet in a step.
  std::atomic<std::uint64_t> entries;  ///< Signs of life: sections entered, and touches.
  std::atomic<std::int64_t> since;     ///< Of the last one: nanoseconds of the steady clock, one for all of a host.
  CollectiveCounts collectives;
};

/// Seconds spent in each section, without its collectives' waits and inside them.
struct SectionTimes {
  std::array<double, kSections> busy{};
  std::array<double, kSections> waiting{};
};

/// One stay in a section.
struct SectionVisit {
  Section section = Section::start;
  std::uint64_t step = 0;
  std::int64_t began = 0;  ///< Nanoseconds of the steady clock.
};

/// The sections of this rank. One thread enters them; any may read.
class Sections {
 public:
  /// Seconds that this rank has spent inside waits for collectives so far.
  using Waited = std::function<double()>;

  /// `heartbeat` and `recorder` must outlive it. Begins in Section::start.
  Sections(Heartbeat& heartbeat, FlightRecorder& recorder, int rank);

  /// Where the time inside waits comes from, instead of from the recorder's finished collectives.
  void measure_waits_by(Waited waited);

  /// Step `step`, from 1, begins; enters Section::data.
  void begin_step(std::uint64_t step);
  /// Ends the present section and returns it. Tests may inject a fault here: its name is a point.
  Section enter(Section section);
  /// A sign of life in a section that takes long because it has much to do.
  void touch();

  /// Times since the last call.
  SectionTimes take_times();

  /// The last visits, oldest first; the last one lasts.
  std::vector<SectionVisit> history() const;

  const Heartbeat& heartbeat() const { return heartbeat_; }

 private:
  void account(std::int64_t now);

  Heartbeat& heartbeat_;
  FlightRecorder& recorder_;
  const int rank_;
  Waited waited_;
  bool lenient_next_ = true;
  std::int64_t accounted_;  ///< Up to here times_ tells.
  double waited_before_ = 0;
  SectionTimes times_;
  mutable std::mutex mutex_;  ///< Of the ring.
  std::vector<SectionVisit> ring_;
  std::size_t visits_ = 0;
};

/// A section until the end of a scope; then the one before goes on. Without `sections` it does nothing.
class InSection {
 public:
  InSection(Sections* sections, Section section)
      : sections_(sections), before_(sections == nullptr ? section : sections->enter(section)) {}
  ~InSection() {
    if (sections_ != nullptr && !left_by_exception()) sections_->enter(before_);
  }
  InSection(const InSection&) = delete;
  InSection& operator=(const InSection&) = delete;

  /// Goes on in another section until the end of the scope.
  void next(Section section) {
    if (sections_ != nullptr) sections_->enter(section);
  }

 private:
  bool left_by_exception() const { return std::uncaught_exceptions() != exceptions_; }

  Sections* sections_;
  Section before_;
  int exceptions_ = std::uncaught_exceptions();
};

/// Nanoseconds of the steady clock.
std::int64_t steady_nanoseconds();

}  // namespace msn
