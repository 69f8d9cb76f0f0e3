// SPDX-License-Identifier: Apache-2.0
// What a run folder tells of a run, whether it is done, at work, empty or damaged (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"
#include "report/metrics_table.hpp"

namespace msn {

/// status.json.
struct StatusRecord {
  std::string state;
  std::optional<std::uint64_t> step, total_steps;
  std::string checkpoint, reason, host, job, time;
  std::optional<std::uint64_t> exit_code, world_size;
};

/// The ranks of one host in a life.
struct HostRecord {
  std::string host;
  std::size_t ranks = 0;
  std::string first_and_last;                 ///< Numbers of its ranks: "0", "0 to 7".
  std::string devices, cores, numa, threads;  ///< Different ones of its ranks joined by a semicolon.
};

/// An entry of run.json.
struct LifeRecord {
  std::uint64_t life = 0;
  std::uint64_t first_step = 0;
  std::optional<std::uint64_t> saved, world_size, threads;
  std::string started, version, torch, backend, instruction_set, processor, gemm, hdf5;
  bool ended = false;  ///< In order; else killed, crashed, or at work.
  std::string ended_at, reason;
  std::optional<std::uint64_t> exit_code;
  std::vector<HostRecord> hosts;
};

struct RunRecord {
  std::filesystem::path path;
  std::string name;  ///< The folder's.
  MetricsTable metrics;
  std::optional<StatusRecord> status;
  std::vector<LifeRecord> lives;  ///< Oldest first.
  std::optional<std::uint64_t> seed;
  std::string data_fingerprint;
  std::vector<Setting> settings;
  std::vector<std::string> warnings;  ///< The last lines of log.txt that are warnings or errors.
  std::uint64_t more_warnings = 0;    ///< How many stand before these.
  std::vector<std::string> notes;     ///< What of the folder could not be read, one sentence each.

  /// The value of a setting; empty if the run's configuration has none of this key.
  std::string_view setting(std::string_view key) const;
  /// Likewise as a number; nullopt if it is none.
  std::optional<double> number(std::string_view key) const;
};

/// Warnings of log.txt that a record keeps.
inline constexpr std::size_t kWarningsKept = 20;

/// Reads a run folder. What is missing is left empty; what is damaged is noted. To the series of metrics.jsonl it adds
/// "step_seconds" and "data_wait_share" where these follow from it. Throws data_error if there is no folder or if it
/// holds none of a run's files.
RunRecord read_run(const std::filesystem::path& run);

}  // namespace msn
