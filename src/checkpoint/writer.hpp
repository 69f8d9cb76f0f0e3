// SPDX-License-Identifier: Apache-2.0
// Writes checkpoints while training goes on (docs/formats.md, "How it is written").
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/background.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/file_image.hpp"
#include "checkpoint/slices.hpp"
#include "comm/world.hpp"

namespace msn {

struct CheckpointWriterOptions {
  std::filesystem::path run;
  int writers = 1;  ///< The first so many ranks write a file each; more than the world size counts as all ranks.
  /// Asked on rank 0's thread before a checkpoint gets its name, before `latest` names it and before `after_commit`;
  /// throws an Error if this job may not write to the run folder any more. Needs no lock and must not communicate.
  std::function<void()> may_publish = [] {};
  /// Called on rank 0's thread after each commit: old checkpoints may go.
  std::function<void()> after_commit = [] {};
  ParallelFor parallel_for = serial_for;  ///< Runs the copying of the state, on the caller's thread and others.
};

/// How a save ended; equal on every rank.
struct SaveResult {
  std::uint64_t step = 0;
  double seconds = 0;            ///< From begin() until the checkpoint was durable, or given up.
  std::uint64_t bytes = 0;       ///< Of all files but the manifest; 0 if it failed.
  std::optional<Error> failure;  ///< Nothing of the checkpoint is left then, and all others are as they were.
};

/// One thread a rank that has something to write (and rank 0, which commits), there from the beginning, writes what
/// begin() copied. The threads communicate nothing: the ranks' main threads tell each other ready() in a message that
/// they exchange anyway, and call advance() with whether all are. At most one save is under way.
///
/// Writing ends when advance() has found all ranks ready the first time: the ranks exchange what they wrote, or why
/// not, and rank 0's thread commits it, or removes it. The second time the save has ended, and all learn how. If rank 0
/// alone writes, its thread does both at once.
class CheckpointWriter {
 public:
  /// All ranks call, with a state that is equal but for its bytes on all and that later ones are like. Removes what
  /// runs before this one left half-written or half-deleted, takes the memory for this rank's slice and starts its
  /// thread. Throws an AgreedError. `world` must outlive it.
  CheckpointWriter(const World& world, const std::vector<StateTensor>& state, CheckpointWriterOptions options);
  /// Communicates nothing. A save that is under way is given up, unless rank 0 is committing it.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// Copies this rank's slice and has it written to `run/checkpoints/step-NNNNNNNN`. `state` may change as soon as this
  /// returns. All ranks call, with equal facts and state, when none is under way.
  void begin(const CheckpointFacts& facts, const std::vector<StateTensor>& state);

  /// Whether a save is under way; the same on every rank.
  bool busy() const { return phase_ != Phase::idle; }
  /// Whether this rank has nothing left to do until advance().
  bool ready() const;
  /// All ranks call with whether all ranks were ready, which they have agreed upon. Tells how the save ended, if it
  /// did. Never waits for a disk.
  std::optional<SaveResult> advance(bool all_ready);

  /// Waits until no save is under way. All ranks call. Tells how it ended, if one was.
  std::optional<SaveResult> finish();

  /// Bytes of memory that this rank keeps for its slice.
  std::uint64_t memory() const;

 private:
  enum class Phase { idle, writing, committing };

  /// What the thread uses. It may outlive the writer, if the disk does not let it go.
  struct Shared;

  /// What rank 0's thread needs to end a save.
  struct EndOfSave {
    Manifest manifest;  ///< Without files and hashes.
    std::vector<Slice> slices;
    std::chrono::steady_clock::time_point began;
  };
  EndOfSave end_of_save() const;

  const World& world_;
  const std::vector<Slice> slices_;
  std::shared_ptr<Shared> shared_;
  std::unique_ptr<BackgroundThread> thread_;  ///< None on a rank that has nothing to write.
  std::vector<ManifestTensor> tensors_;       ///< On rank 0, all but their hashes.
  Phase phase_ = Phase::idle;
  CheckpointFacts facts_;  ///< Of the save that is under way.
  std::chrono::steady_clock::time_point began_;
};

}  // namespace msn
