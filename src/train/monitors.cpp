// SPDX-License-Identifier: Apache-2.0
#include "train/monitors.hpp"

#include <string>

#include "base/log.hpp"

namespace msn {

Monitors::Monitors(const Config& config)
    : feature_rank_(config.model.head_out), collapse_(CollapseLimits::of(config)) {}

void Monitors::add(const at::Tensor& embeddings, StepMetrics& metrics) {
  if (metrics.skipped) return;
  metrics.feature_rank = feature_rank_.take();
  feature_rank_.add(metrics.step, embeddings);
  const auto verdict = collapse_.add(
      {metrics.loss.prototypes_used, metrics.loss.mean_entropy, metrics.loss.max_target, metrics.feature_rank});
  if (!verdict) return;
  for (const CollapseSign& sign : verdict->signs)
    metrics.collapse.push_back(sign.name);
  const std::string stretch =
      "steps " + std::to_string(metrics.step + 1 - CollapseWatch::kSteps) + " to " + std::to_string(metrics.step);
  if (verdict->is_new) {
    log::warn(stretch + " look like collapse: " + to_text(verdict->signs) +
              " (docs/guide.md, Collapse: loss.me_max, loss.sinkhorn, optim.lr)");
  } else if (verdict->is_over) {
    log::info(stretch + " look like collapse no more");
  }
}

}  // namespace msn
