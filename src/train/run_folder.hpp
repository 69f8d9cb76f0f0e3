// SPDX-License-Identifier: Apache-2.0
// The folder of a run: what is written when it starts, and whether it may go on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "config/config.hpp"

namespace msn {

/// How a run treats the checkpoints of its folder.
struct Resume {
  enum class From { newest, never, step } from = From::newest;
  std::uint64_t step = 0;                ///< With From::step.
  std::vector<std::string> forced_keys;  ///< Keys that may differ from the earlier life although they change numbers.
};

/// Makes `run` (0750) if it is not there. All ranks call.
void make_run_folder(const World& world, const std::filesystem::path& run);

/// Throws an agreed data_error if `run`, whose lease this job holds, is not one and the same folder on all hosts, or a
/// host may not write to it: a rank there would read other checkpoints than rank 0 writes. All ranks call.
void check_run_folder(const World& world, const std::filesystem::path& run);

/// Makes checkpoints/ in the run folder, whose lease this job holds, begins its log.txt, and decides from where to
/// start: the checkpoint to load, or nullopt for a fresh start. Refuses (config_error) a configuration that changes the
/// numbers of the checkpoint's run, unless its keys are forced, and (data_error) another data set. Damaged checkpoints,
/// and those newer than an explicit step, are set aside once nothing is refused (checkpoint/choose.hpp). All ranks
/// call; rank 0 decides for all.
std::optional<std::filesystem::path> open_run(const World& world, const std::filesystem::path& run,
                                              const Config& config, const std::string& data_fingerprint,
                                              const Resume& resume);

/// Says once, in the log, if the numbers from here on are not those of the earlier life to the last bit, and why: other
/// ranks, threads, libraries or instructions than those that wrote `checkpoint`. All ranks call.
void tell_if_not_comparable(const World& world, const std::filesystem::path& checkpoint, int threads,
                            const std::string& device = {});

}  // namespace msn
