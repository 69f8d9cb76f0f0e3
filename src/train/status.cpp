// SPDX-License-Identifier: Apache-2.0
#include "train/status.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/utc.hpp"
#include "checkpoint/layout.hpp"
#include "comm/bounded.hpp"
#include "comm/job.hpp"
#include "comm/process_facts.hpp"

namespace msn {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using std::chrono::seconds;
using std::chrono::system_clock;

constexpr seconds kBetweenWrites{10};

Json or_null(bool known, const Json& value) {
  return known ? value : Json(nullptr);
}

/// Whether every rank throws this error, so that rank 0 may speak for all.
bool all_ranks_know(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const AgreedError&) {
    return true;
  } catch (const JobError&) {
    return true;
  } catch (...) {
    return false;
  }
}

/// Ranks that fail together must not write into one another's file.
std::string beside(int rank) {
  return rank == 0 ? ".tmp" : ".tmp-" + std::to_string(rank);
}

}  // namespace

RunStatus::RunStatus(const World& world, const std::filesystem::path& run, std::function<bool()> may_write)
    : file_(run / "status.json"),
      may_write_(std::move(may_write)),
      rank_(world.rank()),
      world_size_(world.size()),
      host_(world.host()),
      started_(utc_text(system_clock::now() - seconds(static_cast<int>(seconds_since_process_start())))) {}

void RunStatus::begin() {
  state_ = "starting";
  write();
}

void RunStatus::run(std::uint64_t step, std::uint64_t total_steps, std::optional<std::uint64_t> durable) {
  state_ = "running";
  step_ = step;
  total_steps_ = total_steps;
  durable_ = durable;
  write();
}

void RunStatus::at_step(std::uint64_t step, std::optional<std::uint64_t> durable) {
  step_ = step;
  const bool is_new = std::exchange(durable_, durable) != durable;
  if (is_new || Clock::now() - written_ >= kBetweenWrites) write();
}

void RunStatus::end(std::uint64_t step, std::optional<std::uint64_t> durable, const std::string& stopped_by) {
  state_ = stopped_by.empty() ? "done" : "stopped";
  step_ = step;
  durable_ = durable;
  reason_ = stopped_by;
  code_ = stopped_by.empty() ? ExitCode::done : ExitCode::stopped;
  write();
}

void RunStatus::failed(const std::exception_ptr& failure) {
  const bool alone = world_size_ > 1 && !all_ranks_know(failure);
  if (state_.empty() || (rank_ != 0 && !alone) || !may_write_()) return;
  const Error error = to_error(failure);
  state_ = "failed";
  reason_ = error.what();
  if (alone) {
    reason_ =
        "rank " + std::to_string(rank_) + " of " + std::to_string(world_size_) + " (host " + host_ + "): " + reason_;
  }
  code_ = error.code();
  // A file system that is gone must not keep the job from ending.
  run_bounded(seconds(5), [file = file_, text = text(), rank = rank_] { replace_text(file, text, beside(rank)); });
}

std::string RunStatus::text() const {
  const JobId job = job_of_environment().value_or(JobId{});
  const Json status = {{"format_version", 1},
                       {"state", state_},
                       {"step", step_},
                       {"total_steps", or_null(total_steps_.has_value(), total_steps_.value_or(0))},
                       {"checkpoint", or_null(durable_.has_value(), step_name(durable_.value_or(0)))},
                       {"reason", or_null(!reason_.empty(), reason_)},
                       {"exit_code", or_null(code_.has_value(), static_cast<int>(code_.value_or(ExitCode::done)))},
                       {"world_size", world_size_},
                       {"host", host_},
                       {"pid", ::getpid()},
                       {"scheduler", or_null(!job.id.empty(), job.scheduler)},
                       {"job", or_null(!job.id.empty(), job.id)},
                       {"started", started_},
                       {"time", utc_text(system_clock::now())}};
  return status.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void RunStatus::write() {
  if (rank_ != 0 || !may_write_()) return;
  written_ = Clock::now();
  try {
    replace_text(file_, text(), beside(rank_));
  } catch (const Error& error) {
    if (!std::exchange(warned_, true)) log::warn("the run's status is not kept: " + std::string(error.what()));
  }
}

}  // namespace msn
