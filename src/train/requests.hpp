// SPDX-License-Identifier: Apache-2.0
// When a run saves, and when it stops before its end. Any rank may be the one that knows: what each wishes rides in the
// step's message, after which all know the same.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/time_budget.hpp"

namespace msn {

/// Why a run stops before its end; of several the last one here counts. `taken_over`: another job has the run folder,
/// so that nothing may be saved.
enum class StopCause : std::uint8_t { none, max_seconds, job_end, file, signal, taken_over };

struct StopWish {
  StopCause cause = StopCause::none;
  int signal = 0;  ///< Its number, with StopCause::signal.
  int rank = 0;    ///< Whose wish it is.

  bool operator==(const StopWish&) const = default;
};

/// A wish as a number, which a double holds exactly: the largest of all ranks' is the wish of all. 0: none. Of equal
/// ones that of the lowest rank is the largest.
double to_number(const StopWish& wish);
StopWish stop_wish_of(double number);

/// "SIGUSR1 (rank 3)", "the file stop", "--max-seconds" or "the job's end"; empty without a cause.
std::string to_text(const StopWish& wish);

/// Why a checkpoint is written after a step that would not have one; of several the last one here counts.
enum class SaveCause : std::uint8_t { none, minutes, file };

/// Of one rank, or the largest of all. They ride in the step's message.
struct Wishes {
  double stop = 0;  ///< to_number() of a StopWish.
  double save = 0;  ///< A SaveCause.
};

/// Throws Error(ExitCode::stopped), on every rank, if RUN/stop is there: there is nothing to do then. All ranks call,
/// before anything else is done.
void check_stop_file(const World& world, const std::filesystem::path& run);

class Requests {
 public:
  using Clock = TimeBudget::Clock;

  /// What decides beside signals and files. `max_seconds` counts from the start of the process.
  struct Options {
    std::filesystem::path run;
    double every_minutes = 0;  ///< 0: never.
    std::optional<double> max_seconds = {};
    bool job_end = true;                                      ///< Honour the job's end if the environment tells it.
    std::function<bool()> taken_over = [] { return false; };  ///< Whether another job has the run folder now.
  };
  /// All ranks make one, before the first step; rank 0 says when the job ends. Communicates nothing.
  Requests(const World& world, const Options& options, Clock::time_point now = Clock::now());

  /// What this rank wishes at the end of a step, which began with the last call of any kind. `save_seconds` is how long
  /// it would take from now to have a checkpoint durable. Only signals are looked at on every rank; rank 0 looks at its
  /// clock, and at most once a second for RUN/save and RUN/stop. Communicates nothing.
  Wishes poll(double save_seconds, Clock::time_point now = Clock::now());

  /// Takes the largest wishes of all ranks, on every rank: to stop for good, to save until saved(). A RUN/save that was
  /// seen is removed.
  void decide(const Wishes& largest);

  bool save() const { return save_ != SaveCause::none; }
  bool stop() const { return stop_.cause != StopCause::none; }
  /// Why it stops.
  const StopWish& stop_wish() const { return stop_; }

  /// A checkpoint was begun: minutes count anew.
  void saved(Clock::time_point now = Clock::now());

 private:
  void look_for_files(Clock::time_point now);
  StopCause out_of_time(double save_seconds, Clock::time_point now) const;
  void take_save_file();

  const Options options_;
  const int rank_;
  TimeBudget budget_;
  std::optional<TimeBudget::Limit> max_seconds_;
  std::optional<TimeBudget::Limit> job_end_;
  Clock::time_point step_began_;
  Clock::time_point saved_at_;
  std::optional<Clock::time_point> looked_at_;
  bool save_file_ = false;
  bool save_file_stays_ = false;  ///< It cannot be removed, so that it counts no more.
  bool stop_file_ = false;
  SaveCause save_ = SaveCause::none;
  StopWish stop_;
};

}  // namespace msn
