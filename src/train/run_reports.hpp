// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "config/config.hpp"
#include "train/metrics.hpp"
#include "train/monitors.hpp"
#include "train/run_progress.hpp"
#include "train/tensorboard.hpp"

namespace msn {

/// Which steps a life makes.
struct StepsOfLife {
  std::uint64_t completed = 0;  ///< Before it,
  std::uint64_t last = 0;       ///< and at its end.
  std::uint64_t total = 0;      ///< Of the whole run as configured.
};

/// All that rank 0 tells of its steps: RUN/metrics.jsonl, RUN/tensorboard, what the monitors find, and the progress.
/// When it goes, the live line goes.
class RunReports {
 public:
  /// Throws config_error as log_prior(), data_error if the metrics of earlier lives cannot be read.
  RunReports(const std::filesystem::path& run, const Config& config, const StepsOfLife& steps);

  /// Whether people are told of this step, so that `metrics` should tell of the ranks.
  bool due(std::uint64_t step) const { return progress_.due(step); }

  /// A step is over, with these targets' embeddings, StepReport::h. Adds to `metrics` what the monitors find.
  void add(const at::Tensor& embeddings, StepMetrics& metrics);

 private:
  MetricsFile lines_;
  std::optional<TensorBoardFile> events_;
  std::optional<Monitors> monitors_;
  RunProgress progress_;
};

}  // namespace msn
