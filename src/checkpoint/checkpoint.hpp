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

/// Writes one checkpoint as a CheckpointWriter does (writer.hpp) and waits for it: it is durable then and `latest` names
/// it, or the same error is thrown on every rank (an AgreedError) with the folder as it was. All ranks call.
void write_checkpoint(const World& world, const std::filesystem::path& run, const CheckpointFacts& facts,
                      const std::vector<StateTensor>& state, int writers);

/// Deletes all but the newest `keep` (at least 1) whole checkpoints and damaged ones older than those; never the one
/// that `latest` names, nor one for which `run/pins/step-NNNNNNNN` exists. Rank 0 only; a failing deletion is a
/// warning.
void apply_retention(const std::filesystem::path& run, int keep);

/// The newest whole checkpoint of a run, of those of at most `last_step` steps, every file's hash checked; nullopt if
/// the run has none such. Damaged ones are warned of and passed over. Throws data_error if there are some but none is
/// whole, or if a newer version of msn wrote the newest. Looks at the disk only: let rank 0 decide for all
/// (World::on_root).
std::optional<std::filesystem::path> find_newest_checkpoint(const std::filesystem::path& run,
                                                            std::uint64_t last_step = UINT64_MAX);

/// The checkpoint of one step, every file's hash checked. Throws data_error if it is absent or damaged.
std::filesystem::path find_checkpoint(const std::filesystem::path& run, std::uint64_t step);

/// Fills `state` from a checkpoint written at any world size. Every tensor of `state` must be in it with the same type
/// and shape; tensors of the checkpoint that `state` does not name are ignored. The hashes of every file and of every
/// tensor read are checked. Throws data_error naming the file or tensor; `state` may be partly filled then.
void read_checkpoint(const std::filesystem::path& checkpoint, const std::vector<StateTensor>& state);

/// Checks every file of a checkpoint against its manifest; unknown files are warned of. Throws data_error for the first
/// that differs.
void verify_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace msn
