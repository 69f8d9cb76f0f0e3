// SPDX-License-Identifier: Apache-2.0
#include "train/saver.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/layout.hpp"
#include "train/replicas.hpp"

namespace msn {

Saver::Saver(const World& world, Sections& sections, const Config& config, TrainState& state, SaverFacts facts)
    : world_(world),
      sections_(sections),
      config_(config),
      state_(state),
      facts_(std::move(facts)),
      durable_(facts_.restored) {}

bool Saver::due() const {
  const auto interval = static_cast<std::uint64_t>(config_.checkpoint.every_steps);
  return interval > 0 && state_.step % interval == 0;
}

void Saver::save() {
  if (durable_ == state_.step) return;
  const InSection section(&sections_, Section::checkpoint);
  check_replicas(world_, state_);
  CheckpointFacts facts;
  facts.step = state_.step;
  facts.epoch = state_.step / facts_.steps_per_epoch;
  facts.samples_seen = state_.step * static_cast<std::uint64_t>(config_.train.global_batch);
  facts.seed = config_.train.seed;
  facts.global_batch = static_cast<std::uint64_t>(config_.train.global_batch);
  facts.world_size = world_.size();
  facts.config_digest = config_digest(config_);
  facts.config_toml = to_toml(config_);
  facts.data_fingerprint = facts_.data_fingerprint;
  facts.skipped = state_.skipped;
  facts.skipped_in_a_row = state_.skipped_in_a_row;
  const auto start = std::chrono::steady_clock::now();
  write_checkpoint(world_, facts_.run, facts, state_tensors(state_), config_.checkpoint.writers);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  save_seconds_ = std::max(save_seconds_, seconds.count());
  durable_ = state_.step;
  if (world_.rank() == 0) {
    log::info("checkpoint " + step_name(state_.step));
    apply_retention(facts_.run, config_.checkpoint.keep);
  }
}

}  // namespace msn
