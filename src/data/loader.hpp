// SPDX-License-Identifier: Apache-2.0
// Batches of views, made ahead by worker threads.
#pragma once

#include <cstdint>
#include <memory>

#include "config/config.hpp"
#include "data/batch.hpp"
#include "data/dataset.hpp"

namespace msn {

/// Delivers this rank's share of step first_step, first_step + 1, ... without end, epoch after epoch. What a batch
/// holds is a pure function of (data set, views, seed, global_batch, step, rank, world_size): neither the number of
/// workers nor the moment matters.
class Loader {
 public:
  static constexpr std::size_t batches_ahead = 3;  ///< In the making or ready; bounds the memory.

  /// `set` must outlive the loader. `workers` threads of low priority; 0: as many as cores that this process may use.
  /// Throws config_error if the batch cannot be divided by the ranks or is larger than the data set.
  Loader(const DataSet& set, const ViewsConfig& views, std::uint64_t seed, int global_batch, int rank, int world_size,
         std::uint64_t first_step, int workers);
  /// Ends the workers: waits for the image each of them is at, and for nothing else.
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next step's batch; waits until it is made. Throws the error of its first sample that failed, which names the
  /// sample; that is the end of this loader.
  Batch next();

  /// Gives a batch back, so that its memory serves again. Optional.
  void recycle(Batch&& used);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace msn
