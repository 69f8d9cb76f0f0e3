// SPDX-License-Identifier: Apache-2.0
// The order of data, as a pure function: nothing is stored, any position of any epoch is found at once.
#pragma once

#include <cstdint>

#include "config/config.hpp"

namespace msn {

/// How a sampler orders the samples of an epoch.
struct SampleOrder {
  DataOrder kind = DataOrder::shuffled;
  std::uint64_t block = 1;   ///< Blockwise: consecutive samples of a block; the last block may be shorter.
  std::uint64_t window = 1;  ///< Blockwise: blocks of a window.
};

SampleOrder sample_order(const DataConfig& config);

/// A random order of the samples 0 .. n-1 for each (seed, epoch).
///
/// Shuffled: one permutation of all samples. Blockwise: the blocks are permuted, then cut into windows, and the samples
/// of a window are permuted among themselves; so the samples of any stretch of an epoch come from a few blocks, each of
/// which is read from one place.
class Sampler {
 public:
  /// 0 < n <= 2^32. `set`: the number of the data set, which has orders of its own.
  Sampler(std::uint64_t samples, std::uint64_t seed, const SampleOrder& order = {}, std::uint32_t set = 0);

  /// The sample at `position` of `epoch`; position < n.
  std::uint64_t at(std::uint64_t epoch, std::uint64_t position) const;
  /// The sample that takes the place of `sample` in `epoch` if that one cannot be read: the next in a second random
  /// order of the epoch, which is a ring. Applied again and again it comes to every sample once.
  std::uint64_t replacement(std::uint64_t epoch, std::uint64_t sample) const;
  std::uint64_t samples() const { return samples_; }

 private:
  std::uint64_t at_blockwise(std::uint64_t epoch, std::uint64_t position) const;

  std::uint64_t samples_;
  std::uint64_t seed_;
  SampleOrder order_;
  std::uint32_t set_;
};

/// Whole global batches in an epoch; what is left over is dropped (each epoch drops other samples).
std::uint64_t steps_per_epoch(std::uint64_t samples, int global_batch);

/// Where a rank's share of a step lies.
struct StepShare {
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;  ///< In the epoch, of the first sample of this rank.
  int count = 0;               ///< Samples of this rank.
};

struct BatchNeighbours {
  int below = 0;  ///< The batch itself if it is a multiple; 0 if there is none.
  int above = 0;
};
/// The multiples of `grain` next to a global batch.
BatchNeighbours batch_neighbours(int global_batch, int grain);

/// Throws config_error, naming the nearest batches that fit, if a global batch cannot be shared evenly by the ranks.
void check_batch_shares(int global_batch, int world_size);

/// Rank r of W takes the r-th contiguous slice of the global batch, so that a step has the same samples at any W.
/// Throws config_error if the batch cannot be divided by the ranks or is larger than the data set.
StepShare share_of_step(std::uint64_t step, std::uint64_t samples, int global_batch, int rank, int world_size);

}  // namespace msn
