// SPDX-License-Identifier: Apache-2.0
#include "train/requests.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "base/stop_signals.hpp"
#include "base/utc.hpp"
#include "checkpoint/layout.hpp"
#include "comm/job.hpp"
#include "comm/process_facts.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

// A wish as digits: cause, signal, and the rank counted down.
constexpr double kRanks = 4294967296.0;  // 2^32
constexpr double kSignals = 128;

/// What ending takes beside the checkpoint: the last lines, MPI_Finalize.
constexpr double kMaxSecondsMargin = 2;
/// A scheduler's clock may be another, and a job script may have something to do at its end.
constexpr double kJobEndMargin = 15;

/// At most 30 years, so that any number is a time of the clock.
std::chrono::steady_clock::duration seconds(double value) {
  value = std::clamp(value, -1e9, 1e9);
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(value));
}

}  // namespace

double to_number(const StopWish& wish) {
  if (wish.cause == StopCause::none) return 0;
  return (static_cast<double>(wish.cause) * kSignals + wish.signal) * kRanks + (kRanks - 1 - wish.rank);
}

StopWish stop_wish_of(double number) {
  if (number == 0) return {};
  const auto digits = static_cast<std::uint64_t>(number);
  const auto ranks = static_cast<std::uint64_t>(kRanks), signals = static_cast<std::uint64_t>(kSignals);
  return {static_cast<StopCause>(digits / ranks / signals), static_cast<int>(digits / ranks % signals),
          static_cast<int>(ranks - 1 - digits % ranks)};
}

std::string to_text(const StopWish& wish) {
  switch (wish.cause) {
    case StopCause::none:
      break;
    case StopCause::max_seconds:
      return "--max-seconds";
    case StopCause::job_end:
      return "the job's end";
    case StopCause::file:
      return "the file stop";
    case StopCause::signal:
      return stop_signal_text(wish.signal) + " (rank " + std::to_string(wish.rank) + ")";
    case StopCause::taken_over:
      return "another job";
  }
  return "";
}

void check_stop_file(const World& world, const fs::path& run) {
  const std::string found = world.on_root([&]() -> std::string {
    if (!is_there(run / "stop")) return "";
    const auto checkpoints = folder_exists(checkpoints_folder(run)) ? list_checkpoints(run) : std::vector<Candidate>();
    if (checkpoints.empty()) return "there is no checkpoint yet";
    return "the newest checkpoint is " + checkpoints.front().folder.string();
  });
  if (found.empty()) return;
  throw AgreedError(Error(ExitCode::stopped, "nothing was done, because the run's file stop is there; " + found,
                          (run / "stop").string(), "remove it, then run the same command again"));
}

Requests::Requests(const World& world, const Options& options, Clock::time_point now)
    : options_(options), rank_(world.rank()), step_began_(now), saved_at_(now) {
  if (rank_ != 0) return;
  if (options.max_seconds) {
    max_seconds_ = {now + seconds(*options.max_seconds - seconds_since_process_start()), kMaxSecondsMargin};
  }
  if (!options.job_end) return;
  const auto time = std::chrono::system_clock::now();
  if (const auto end = job_end_of_environment(time)) {
    job_end_ = {now + (end->time - time), kJobEndMargin};
    log::info("the job ends at " + utc_text(end->time) + " (" + end->variable + "); training will stop in time");
  }
}

void Requests::look_for_files(Clock::time_point now) {
  if (looked_at_ && now - *looked_at_ < std::chrono::seconds(1)) return;
  looked_at_ = now;
  stop_file_ = is_there(options_.run / "stop");
  save_file_ = !save_file_stays_ && is_there(options_.run / "save");
}

StopCause Requests::out_of_time(double save_seconds, Clock::time_point now) const {
  if (job_end_ && budget_.is_spent(*job_end_, save_seconds, now)) return StopCause::job_end;
  if (max_seconds_ && budget_.is_spent(*max_seconds_, save_seconds, now)) return StopCause::max_seconds;
  return StopCause::none;
}

Wishes Requests::poll(double save_seconds, Clock::time_point now) {
  StopWish stop{.rank = rank_};
  SaveCause save = SaveCause::none;
  if (rank_ == 0) {
    budget_.add_step(std::chrono::duration<double>(now - std::exchange(step_began_, now)).count());
    look_for_files(now);
    stop.cause = out_of_time(save_seconds, now);
    if (stop_file_) stop.cause = StopCause::file;
    if (options_.every_minutes > 0 && now - saved_at_ >= seconds(60 * options_.every_minutes)) {
      save = SaveCause::minutes;
    }
    if (save_file_) save = SaveCause::file;
  }
  if (const int signal = noted_stop_signal(); signal != 0) {
    stop.cause = StopCause::signal;
    stop.signal = signal;
  }
  if (options_.taken_over()) stop = {StopCause::taken_over, 0, rank_};
  return {to_number(stop), static_cast<double>(save)};
}

void Requests::decide(const Wishes& largest) {
  const auto save = static_cast<SaveCause>(static_cast<int>(largest.save));
  save_ = std::max(save_, save);
  if (largest.stop > to_number(stop_)) {
    stop_ = stop_wish_of(largest.stop);
    log::info("asked to stop by " + to_text(stop_));
  }
  if (save == SaveCause::file && rank_ == 0) take_save_file();
}

void Requests::take_save_file() {
  const fs::path file = options_.run / "save";
  log::info("a checkpoint is asked for by " + file.string());
  std::error_code failed;
  fs::remove(file, failed);
  save_file_ = false;
  if (failed) {
    save_file_stays_ = true;
    log::warn("cannot remove " + file.string() + " (" + failed.message() + "), which is not looked for any more");
  }
}

void Requests::saved(Clock::time_point now) {
  step_began_ = saved_at_ = now;
  save_ = SaveCause::none;
}

}  // namespace msn
