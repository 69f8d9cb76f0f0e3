// SPDX-License-Identifier: Apache-2.0
// RUN/status.json: how a run is, for scripts (docs/formats.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "comm/world.hpp"

namespace msn {

/// All ranks keep one and call alike. Rank 0 writes; another rank only the error that it alone knows. A write that
/// fails warns once; training goes on.
class RunStatus {
 public:
  /// `may_write` is asked before each write: false if the run folder has become another job's.
  RunStatus(
      const World& world, const std::filesystem::path& run, std::function<bool()> may_write = [] { return true; });

  /// The run folder is this job's: state "starting". Before that nothing is written, since another job may be at work.
  void begin();
  /// State "running". `durable`: step of the newest durable checkpoint, if there is one.
  void run(std::uint64_t step, std::uint64_t total_steps, std::optional<std::uint64_t> durable);
  /// A step is completed. Written when there is a new checkpoint, and else at most every ten seconds.
  void at_step(std::uint64_t step, std::optional<std::uint64_t> durable);
  /// The life ends as it should: before the run's end if there is a reason.
  void end(std::uint64_t step, std::optional<std::uint64_t> durable, const std::string& stopped_by);
  /// The life ends with an error: written by rank 0 if all ranks know it, by this rank if it alone does.
  void failed(const std::exception_ptr& failure);

 private:
  std::string text() const;
  void write();

  const std::filesystem::path file_;
  const std::function<bool()> may_write_;
  const int rank_;
  const int world_size_;
  const std::string host_;
  const std::string started_;
  std::string state_;  ///< Empty: nothing is written yet.
  std::uint64_t step_ = 0;
  std::optional<std::uint64_t> total_steps_;
  std::optional<std::uint64_t> durable_;
  std::string reason_;
  std::optional<ExitCode> code_;
  std::chrono::steady_clock::time_point written_;
  bool warned_ = false;
};

}  // namespace msn
