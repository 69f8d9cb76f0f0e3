// SPDX-License-Identifier: Apache-2.0
// Batches of made-up numbers: what training costs where input costs nothing.
#pragma once

#include <cstdint>
#include <optional>

#include "config/config.hpp"
#include "data/batch.hpp"

namespace msn {

/// Every batch has the same rows, uniform in [-2, 2), a pure function of the seed and the place in the global batch;
/// positions, samples and masks are those of a data set of `images` images in their own order. Nothing is read.
class SyntheticBatches : public BatchSource {
 public:
  /// Throws config_error if the batch cannot be divided by the ranks or is larger than `images`.
  SyntheticBatches(const Config& config, std::uint64_t images, const BatchOptions& options);

  Batch next() override;
  void recycle(Batch&& used) override;

 private:
  void fill(Batch& batch) const;

  ViewsConfig views_;
  std::uint64_t seed_;
  std::uint64_t images_;
  BatchOptions options_;
  VisiblePatches visible_;
  std::uint64_t step_;
  std::optional<Batch> spare_;  ///< Its rows are those of every batch.
};

}  // namespace msn
