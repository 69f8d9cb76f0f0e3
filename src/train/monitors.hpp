// SPDX-License-Identifier: Apache-2.0
// What rank 0 watches while a run trains.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/config.hpp"
#include "train/collapse.hpp"
#include "train/feature_rank.hpp"
#include "train/metrics.hpp"

namespace msn {

/// Only rank 0 makes one. Never changes what is trained.
class Monitors {
 public:
  /// Throws config_error as log_prior().
  explicit Monitors(const Config& config);

  /// A step is over, with these targets' embeddings, StepReport::h. Adds to `metrics` what there is to say, and warns
  /// where a stretch of steps looks collapsed and the one before did not. Takes nothing from a step that was left out.
  void add(const at::Tensor& embeddings, StepMetrics& metrics);

 private:
  FeatureRank feature_rank_;
  CollapseWatch collapse_;
};

}  // namespace msn
