// SPDX-License-Identifier: Apache-2.0
#include "train/run_reports.hpp"

#include "base/utc.hpp"

namespace msn {

RunReports::RunReports(const std::filesystem::path& run, const Config& config, const StepsOfLife& steps)
    : lines_(run / "metrics.jsonl", steps.completed),
      progress_(steps.completed, steps.last, steps.total, config.train.global_batch) {
  if (config.runtime.tensorboard) events_.emplace(run / "tensorboard", steps.completed, unix_time());
  if (config.runtime.monitors) monitors_.emplace(config);
}

void RunReports::add(const at::Tensor& embeddings, StepMetrics& metrics) {
  if (monitors_) monitors_->add(embeddings, metrics);
  lines_.write(metrics);
  if (events_) events_->write(metrics.step, metrics.time, event_scalars(metrics));
  progress_.add(metrics);
}

}  // namespace msn
