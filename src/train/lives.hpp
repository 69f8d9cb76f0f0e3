// SPDX-License-Identifier: Apache-2.0
// RUN/run.json: the lives of a run, and the end of a run that dies again and again without a step forward.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/lease.hpp"
#include "comm/devices.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"

namespace msn {

/// Facts of one life of a run for run.json.
struct RunFacts {
  int threads = 1;
  std::string backend;  ///< Which collectives, device, type.
  std::string device;   ///< As StepSurroundings::device.
  std::string data_fingerprint;
  std::uint64_t first_step = 0;   ///< Completed steps at its begin.
  std::vector<RankPlace> places;  ///< Of all ranks.
};

/// Most lives that run.json keeps, the newest ones, and those of them whose ranks it tells.
inline constexpr std::size_t kLivesKept = 100;
inline constexpr std::size_t kLivesWithRanks = 10;

/// The error (no_progress) that keeps a run from going on, if the last `allowed` of `lives`, as run.json has them, all
/// began after `first_step` steps, as the next one would, with its configuration, and ended without a newer checkpoint
/// and without having come to their end. `allowed` 0: nothing does. What is no life of this format counts as progress.
std::optional<Error> no_progress(const nlohmann::ordered_json& lives, std::uint64_t first_step,
                                 const std::string& config_digest, int allowed, const std::filesystem::path& run);

/// This life's entry in run.json. All ranks make one and call alike; rank 0 writes. What it writes after begin() is for
/// the next life and for people: if it fails, that is a warning.
class Life {
 public:
  /// The references must outlive it.
  Life(const World& world, std::filesystem::path run, RunLease& lease);

  /// Writes config.toml (resolved) and adds this life, or throws what no_progress() says, with nothing written, as an
  /// AgreedError.
  void begin(const Config& config, const RunFacts& facts);

  /// The newest durable checkpoint is of so many steps, if there is one. Writes only if it is the first one of this
  /// life that is newer than its begin.
  void saved(std::optional<std::uint64_t> step);

  /// The life ends in order; `reason` is empty for a run that is done. Does nothing before begin().
  void ended(ExitCode code, const std::string& reason);

 private:
  void write(const nlohmann::ordered_json& change);

  const World& world_;
  const std::filesystem::path run_;
  RunLease& lease_;
  std::uint64_t first_step_ = 0;
  std::optional<std::uint64_t> number_;  ///< On rank 0, once it has begun.
  std::optional<std::uint64_t> saved_;
};

}  // namespace msn
