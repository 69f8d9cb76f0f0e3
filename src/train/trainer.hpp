// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "comm/gpus.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "data/batch.hpp"
#include "train/evaluation.hpp"
#include "train/requests.hpp"
#include "train/run_folder.hpp"

namespace msn {

struct TrainOptions {
  std::filesystem::path run;
  std::optional<Gpu> gpu;  ///< This rank's, bound (bind_gpu); none: processors compute.
  Resume resume;
  std::optional<std::uint64_t> max_steps;      ///< Total of the run over all its lives; never changes a schedule.
  std::optional<double> max_seconds;           ///< From the start of the process; a checkpoint is made in time.
  std::optional<std::uint64_t> profile_steps;  ///< How many rank 0 profiles (train/profile.hpp); none: nothing is.
  /// Called on every rank with the number of each step that is over, from 1, and its batch. May be empty.
  std::function<void(std::uint64_t step, const Batch& batch)> on_batch;
  Evaluate evaluate;       ///< What evaluate.every_epochs asks for; may be empty where that is 0.
  std::string evaluation;  ///< For the log: what `evaluate` measures.
};

struct TrainResult {
  std::uint64_t step = 0;         ///< Completed steps of the run.
  std::uint64_t total_steps = 0;  ///< Of the whole run as configured.
  std::uint64_t images_seen = 0;
  double images_per_second = 0;   ///< Mean of this life.
  double last_loss = 0;           ///< Of the last step of this life.
  std::uint64_t bad_samples = 0;  ///< Replaced in this life, over all ranks.
  std::uint64_t skipped = 0;      ///< Steps of the run that were left out because they were not finite.
  StopWish stopped;               ///< Why before its end; then the checkpoint is durable. No cause: it was not.
  std::filesystem::path checkpoint;
};

/// Trains until the end of the run, max_steps or a request to stop, whichever comes first; the last state is in a
/// checkpoint then. Throws Error(ExitCode::stopped) if the run folder says at the start that there is nothing to do.
/// All ranks call with equal arguments.
TrainResult train(const World& world, const Config& config, const TrainOptions& options);

}  // namespace msn
