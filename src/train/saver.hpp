// SPDX-License-Identifier: Apache-2.0
// The checkpoints of a run while it trains.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "comm/sections.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"
#include "train/state.hpp"

namespace msn {

/// What does not change during a life of the run.
struct SaverFacts {
  std::filesystem::path run;
  std::string data_fingerprint;
  std::uint64_t steps_per_epoch = 1;
  std::optional<std::uint64_t> restored;  ///< Step of the checkpoint that this life began with.
};

/// Writes the state as checkpoints. All ranks make one and call alike.
class Saver {
 public:
  /// The references must outlive it.
  Saver(const World& world, Sections& sections, const Config& config, TrainState& state, SaverFacts facts);

  /// Whether checkpoint.every_steps asks for one of the state as it is.
  bool due() const;

  /// Saves the state as it is, unless the newest checkpoint is of it. Throws AgreedError.
  void save();

  /// The longest time that a checkpoint of this life took to be durable; 0: there was none yet.
  double save_seconds() const { return save_seconds_; }

  /// Step of the newest durable checkpoint of this run; nullopt if it has none.
  std::optional<std::uint64_t> durable() const { return durable_; }

 private:
  const World& world_;
  Sections& sections_;
  const Config& config_;
  TrainState& state_;
  const SaverFacts facts_;
  std::optional<std::uint64_t> durable_;
  double save_seconds_ = 0;
};

}  // namespace msn
