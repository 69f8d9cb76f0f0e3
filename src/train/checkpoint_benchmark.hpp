// SPDX-License-Identifier: Apache-2.0
// What checkpoints cost a run on this machine and this disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "comm/world.hpp"
#include "config/config.hpp"

namespace msn {

/// Seconds, medians over the repeats, of the slowest rank.
struct ReadingTimes {
  double plain = 0;   ///< Reading the files.
  double load = 0;    ///< Reading the tensors into a state, all hashes checked.
  double verify = 0;  ///< Checking the files' hashes.
};

struct CheckpointBenchmark {
  int writers = 1;           ///< Ranks that write a file.
  std::uint64_t bytes = 0;   ///< Of all files.
  double held = 0;           ///< Seconds that training would stand still: comparing replicas, copying.
  double copy = 0;           ///< Of them, copying.
  double write = 0;          ///< Seconds from the copy until the checkpoint is durable.
  double plain_write = 0;    ///< Seconds that `write` and `fsync` of as many bytes take, on as many ranks.
  double ratio = 0;          ///< Median over the repeats of plain_write / write.
  ReadingTimes from_disk;    ///< After the kernel was asked to forget the files.
  ReadingTimes from_memory;  ///< Of what the kernel has in memory.
};

/// Saves the state of `config` `repeats` times in a folder of its own below `folder`, which is gone afterwards, and in
/// turn writes as many bytes plainly; then reads. All ranks call. Throws AgreedError.
CheckpointBenchmark benchmark_checkpoint(const World& world, const Config& config, const std::filesystem::path& folder,
                                         int repeats);

}  // namespace msn
