// SPDX-License-Identifier: Apache-2.0
// How the rows of a training set are cut into the batches of classifiers.
#pragma once

#include <cstdint>
#include <vector>

#include "data/sampler.hpp"

namespace msn {

/// Epochs in random orders, cut into whole batches; what is left over is dropped. A pure function of (rows, seed).
class Batches {
 public:
  /// `batch` is cut to `rows`, which is above 0.
  Batches(std::uint64_t rows, int batch, std::uint64_t seed);

  std::int64_t batch() const { return batch_; }
  std::int64_t steps_per_epoch() const { return steps_; }

  /// The rows [begin, end) of a step's batch, step from 0 within its epoch.
  std::vector<std::uint64_t> rows(std::uint64_t epoch, std::int64_t step, std::int64_t begin, std::int64_t end) const;

 private:
  Sampler sampler_;
  std::int64_t batch_;
  std::int64_t steps_;
};

struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Rank r's contiguous part of n things: shares differ by one at most, and a rank may have none.
RowRange share_of_rank(std::int64_t n, int rank, int ranks);

}  // namespace msn
