// SPDX-License-Identifier: Apache-2.0
// The rank of the features while a run trains, measured beside it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/background.hpp"

namespace msn {

/// Keeps the newest target embeddings of this rank and now and then measures their smooth_rank() on a thread of low
/// priority: some tens of milliseconds of one core in kEvery steps.
class FeatureRank {
 public:
  static constexpr std::int64_t kRowsOfAStep = 64;  ///< At most, the first of the batch.
  static constexpr std::uint64_t kEvery = 50;       ///< Steps from one measurement to the next.

  /// Of embeddings of this width. So many of them are kept that the rank is not bounded by their number: four times
  /// the width, but 1024 at most. Throws internal_error if no thread is to be had.
  explicit FeatureRank(std::int64_t width);

  /// Takes the rows of a step's embeddings [rows, width], in host memory, and has them measured if it is time, if
  /// enough are there and the last ones are measured. Waits for nothing.
  void add(std::uint64_t step, const at::Tensor& embeddings);

  /// What was measured since the last call, if anything was.
  std::optional<double> take();

 private:
  struct Measurement;

  const std::int64_t width_;
  std::vector<float> rows_;  ///< A ring of them.
  std::size_t next_ = 0;     ///< Where the next value goes.
  bool full_ = false;
  bool under_way_ = false;
  std::shared_ptr<Measurement> measurement_;  ///< The thread's while it is under way.
  BackgroundThread thread_;
};

}  // namespace msn
