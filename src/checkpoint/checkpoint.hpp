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

#include "comm/world.hpp"

namespace msn {

enum class ElementType { f32, f64, i64 };

/// One named tensor of the state: where its bytes lie in this process.
struct StateTensor {
  std::string name;                  ///< For instance "online.blocks.0.attn.qkv.weight", "adam.exp_avg.prototypes".
  ElementType type = ElementType::f32;
  std::vector<std::int64_t> shape;   ///< Empty: a scalar.
  std::span<std::byte> bytes;
};

/// What a checkpoint says about the run.
struct CheckpointFacts {
  std::uint64_t step = 0;          ///< Completed optimiser steps.
  std::uint64_t epoch = 0;         ///< Epoch of the next step.
  std::uint64_t samples_seen = 0;
  std::uint64_t seed = 0;
  std::uint64_t global_batch = 0;
  int world_size = 1;              ///< Of the run that wrote it.
  std::string config_digest;
  std::string config_toml;         ///< The resolved configuration.
  std::string data_fingerprint;    ///< Of the packed data set.
};

/// Writes `run/checkpoints/step-NNNNNNNN`. All ranks call; every rank holds the same state. The first `writers` ranks
/// write a slice each. Ends with the checkpoint durable and `latest` naming it, or throws the same error on every rank
/// with the folder as it was.
void write_checkpoint(const World& world, const std::filesystem::path& run, const CheckpointFacts& facts,
                      const std::vector<StateTensor>& state, int writers);

/// Deletes all but the newest `keep` checkpoints; never the one that `latest` names. Rank 0 only; a failing deletion is
/// a warning.
void apply_retention(const std::filesystem::path& run, int keep);

/// The newest whole checkpoint of a run, by manifest and file sizes; nullopt if there is none. Damaged ones are warned of
/// and passed over.
std::optional<std::filesystem::path> find_newest_checkpoint(const std::filesystem::path& run);
/// The checkpoint of one step. Throws data_error if it is absent or damaged.
std::filesystem::path find_checkpoint(const std::filesystem::path& run, std::uint64_t step);

/// Tensor as the manifest lists it.
struct ManifestTensor {
  std::string name;
  ElementType type;
  std::vector<std::int64_t> shape;
  std::uint64_t offset;  ///< In bytes of the whole state.
  std::string hash;
};
struct ManifestFile {
  std::string name;
  std::uint64_t begin, end;  ///< Bytes of the state it holds.
  std::uint64_t size;        ///< Of the file.
  std::string hash;
};
struct Manifest {
  int format_version = 1;
  CheckpointFacts facts;
  std::vector<ManifestTensor> tensors;
  std::vector<ManifestFile> files;
};
/// Parses and checks `checkpoint/manifest.json`: version, plain file names, sizes that add up. Throws data_error.
Manifest read_manifest(const std::filesystem::path& checkpoint);

/// Fills `state` from a checkpoint written at any world size. Every tensor of `state` must be in it with the same type
/// and shape; tensors of the checkpoint that `state` does not name are ignored. Hashes of the files are checked.
/// Throws data_error naming the file or tensor.
void read_checkpoint(const std::filesystem::path& checkpoint, const std::vector<StateTensor>& state);

/// Checks every file of a checkpoint against its manifest. Throws data_error for the first that differs.
void verify_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace msn
