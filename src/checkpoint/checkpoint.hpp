// SPDX-License-Identifier: Apache-2.0
// Whole or absent checkpoints of replicated state (docs/formats.md). Knows bytes and names, not networks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/manifest.hpp"
#include "comm/world.hpp"

namespace msn {

/// One named tensor of the state: where its bytes lie in this process.
struct StateTensor {
  std::string name;  ///< For instance "online.blocks.0.attn.qkv.weight": letters, digits, '.', '_' and '-'.
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;  ///< Empty: a scalar.
  std::span<std::byte> bytes;       ///< Row-major.
};

/// Writes one checkpoint as a CheckpointWriter does (writer.hpp) and waits for it: it is durable then and `latest`
/// names it, or the same error is thrown on every rank (an AgreedError) with the folder as it was. All ranks call.
void write_checkpoint(const World& world, const std::filesystem::path& run, const CheckpointFacts& facts,
                      const std::vector<StateTensor>& state, int writers);

/// Which checkpoints of a run stay.
struct RetentionRules {
  int keep = 2;                                     ///< The newest whole ones; at least 1.
  int keep_every = 0;                               ///< And those whose step is a multiple of this; 0: none.
  int keep_best = 0;                                ///< And so many of those that the run measured: the best.
  std::optional<std::uint64_t> restored_from = {};  ///< And this one, until `latest` names a newer one.
};
/// Why a checkpoint stays for ever, as `msn inspect` says it.
bool is_pinned(const std::filesystem::path& run, std::uint64_t step);
bool is_kept_for_ever(const RetentionRules& rules, std::uint64_t step);

struct MeasuredCheckpoint {
  std::uint64_t step = 0;
  double accuracy = 0;
};
/// The steps of the `count` most accurate ones; of equal ones the newer.
std::vector<std::uint64_t> best_steps(std::vector<MeasuredCheckpoint> checkpoints, int count);

/// Deletes whole checkpoints but for those that the rules keep, the one that `latest` names and those that are pinned.
/// What is damaged, cannot be read or comes from a newer version is neither counted nor deleted. Rank 0 only; a
/// deletion that fails is a warning, and the next one is tried.
void apply_retention(const std::filesystem::path& run, const RetentionRules& rules);

/// The newest whole checkpoint of a run as choose_newest() finds it (checkpoint/choose.hpp), for whoever reads a run
/// without going on with it: nothing is renamed. Nullopt if the run has none of at most `last_step` steps. Looks at the
/// disk only: let rank 0 decide for all (World::on_root).
std::optional<std::filesystem::path> find_newest_checkpoint(const std::filesystem::path& run,
                                                            std::uint64_t last_step = UINT64_MAX);

/// The checkpoint of one step, every file's hash checked. Throws data_error if it is absent or damaged, or if its
/// manifest tells of another step.
std::filesystem::path find_checkpoint(const std::filesystem::path& run, std::uint64_t step);

/// Fills `state` from a checkpoint written at any world size. Every tensor of `state` must be in it with the same type
/// and shape; tensors of the checkpoint that `state` does not name are ignored. The hashes of every file and of every
/// tensor read are checked. Throws data_error naming the file or tensor; `state` may be partly filled then.
void read_checkpoint(const std::filesystem::path& checkpoint, const std::vector<StateTensor>& state);

/// Checks every file of a checkpoint against its manifest; unknown files are warned of. Throws data_error for the first
/// that differs.
void verify_checkpoint(const std::filesystem::path& checkpoint);

struct DamageReport {
  std::vector<std::string> damage;             ///< "WHERE: WHAT" each; empty: the checkpoint is whole.
  std::vector<std::filesystem::path> unknown;  ///< Files that are no part of it.
};
/// Everything that is wrong with a checkpoint. Of a file whose bytes are not as they were written also the tensors that
/// differ, if its structure still tells where they lie; the HDF5 library never sees the file.
DamageReport find_damage(const std::filesystem::path& checkpoint);

}  // namespace msn
