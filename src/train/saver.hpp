// SPDX-License-Identifier: Apache-2.0
// The checkpoints of a run while it trains.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/writer.hpp"
#include "comm/sections.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/host_state.hpp"
#include "train/state.hpp"
#include "train/surroundings.hpp"

namespace msn {

/// What does not change during a life of the run.
struct SaverFacts {
  std::filesystem::path run;
  std::string data_fingerprint;
  std::uint64_t steps_per_epoch = 1;
  std::optional<std::uint64_t> restored;  ///< Step of the checkpoint that this life began with.
  StepSurroundings surroundings;
  /// CheckpointWriterOptions::may_publish. An error of it that is no data error ends the run at once.
  std::function<void()> may_publish = [] {};
};

/// What a step's line in metrics.jsonl says of checkpoints.
struct SaverReport {
  std::optional<double> held_seconds;  ///< That training stood still for a save of this step's state, on rank 0.
  std::optional<SaveResult> ended;     ///< A save that was found to have ended.
};

/// Writes the state as checkpoints beside the training. All ranks make one and call alike, on their main threads.
class Saver {
 public:
  /// Takes the memory for this rank's slice of the state and starts the thread that writes it. Throws AgreedError. The
  /// references must outlive it.
  Saver(const World& world, Sections& sections, const Config& config, TrainState& state, SaverFacts facts);

  /// Whether checkpoint.every_steps asks for one of the state after this step.
  bool due_after(std::uint64_t step) const;

  /// Says how good the state as it is was found to be, 0 to 1: its checkpoint tells it. With checkpoint.keep_best it
  /// also begins to save it, as begin() does.
  void measured(double knn_top1);

  /// Begins to save the state as it is, unless the newest checkpoint is of it, or will be. Training may go on when this
  /// returns. Waits for a save that is still under way. Throws an AgreedError if that one was one failure too many, or
  /// if the ranks' states differ.
  void begin();

  /// What this rank says in the step's message, CheckpointWriter::ready().
  bool ready() const { return writer_.ready(); }
  /// After the step's message, with whether all ranks were ready. A save that has failed is a warning, or from
  /// checkpoint.max_failed_in_a_row on an AgreedError.
  void advance(bool all_ready);

  /// Saves the state as it is, unless the newest checkpoint is of it, and waits until it is durable. Throws an
  /// AgreedError if it fails.
  void save();

  /// msn::check_replicas. If the ranks' states differ, a save under way, which is of a state that was equal, is brought
  /// to its end before the error goes on.
  void check_replicas();

  /// How long it takes from now on to have the state durable: the longest save of this life, or before the first one
  /// slow_save_seconds(); twice that while one is under way.
  double save_seconds() const;

  /// Step of the newest durable checkpoint of this run; nullopt if it has none.
  std::optional<std::uint64_t> durable() const { return durable_; }

  /// What there is to tell since the last call.
  SaverReport take_report();

 private:
  void copy_and_begin();
  /// Of a save that has ended. Throws if it was one failure too many.
  void conclude(const SaveResult& result);
  void warn_of(const SaveResult& result) const;

  const World& world_;
  Sections& sections_;
  const Config& config_;
  TrainState& state_;
  HostState host_;         ///< Of it.
  CheckpointFacts facts_;  ///< Of the next checkpoint, but for what changes with the step.
  std::uint64_t steps_per_epoch_;
  const std::uint64_t bytes_;  ///< Of a checkpoint's tensors.
  CheckpointWriter writer_;
  std::optional<std::uint64_t> begun_;  ///< Step of the save that is under way.
  std::optional<std::uint64_t> durable_;
  struct Measured {
    std::uint64_t step = 0;
    double knn_top1 = 0;
  };
  std::optional<Measured> measured_;  ///< The last one.
  int failed_in_a_row_ = 0;
  SaverReport report_;
  double longest_save_ = 0;  ///< Seconds.
};

}  // namespace msn
