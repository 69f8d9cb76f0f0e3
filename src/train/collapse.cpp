// SPDX-License-Identifier: Apache-2.0
#include "train/collapse.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/formatted.hpp"
#include "objective/prior.hpp"

namespace msn {

namespace {

/// A share of what there could be, and never so few that what learns could have them.
double few(double of, double share) {
  return std::max(share * of, 1.5);
}

/// How many prototypes an even prior of the same entropy has.
double worth_of_prior(const Config& config) {
  const at::Tensor log = log_prior(config.loss, config.model.prototypes);
  double entropy = 0;
  for (std::int64_t k = 0; k < log.numel(); ++k) {
    const double value = log.const_data_ptr<double>()[k];
    entropy -= std::exp(value) * value;
  }
  return std::exp(entropy);
}

}  // namespace

CollapseLimits CollapseLimits::of(const Config& config) {
  const double prototypes = config.model.prototypes, worth = worth_of_prior(config);
  const double chosen_at_most = std::min<double>(worth, config.train.global_batch);
  CollapseLimits limits;
  limits.prototypes = config.model.prototypes;
  limits.width = config.model.head_out;
  if (chosen_at_most >= 4) limits.prototypes_used = few(chosen_at_most, 0.05);
  if (worth >= 4) limits.mean_entropy = std::log(few(worth, 0.05));
  if (prototypes >= 8) limits.max_target = 1.5 / prototypes;
  if (config.model.head_out >= 4) limits.feature_rank = few(config.model.head_out, 0.02);
  return limits;
}

std::vector<CollapseSign> collapse_signs(const CollapseNumbers& numbers, const CollapseLimits& limits) {
  std::vector<CollapseSign> signs;
  if (numbers.prototypes_used < limits.prototypes_used) {
    signs.push_back({"prototypes_used", formatted("targets choose %.1f of %d prototypes in a step",
                                                  numbers.prototypes_used, limits.prototypes)});
  }
  if (numbers.mean_entropy < limits.mean_entropy) {
    signs.push_back({"mean_entropy", formatted("the mean prediction is spread over %.1f of %d prototypes",
                                               std::exp(numbers.mean_entropy), limits.prototypes)});
  }
  if (numbers.max_target < limits.max_target) {
    signs.push_back({"max_target", formatted("targets are all but even over the %d prototypes, the largest %.2g",
                                             limits.prototypes, numbers.max_target)});
  }
  if (numbers.feature_rank && *numbers.feature_rank < limits.feature_rank) {
    signs.push_back(
        {"feature_rank", formatted("embeddings have a rank of %.1f of %d", *numbers.feature_rank, limits.width)});
  }
  return signs;
}

std::optional<CollapseWatch::Verdict> CollapseWatch::add(const CollapseNumbers& numbers) {
  sums_.prototypes_used += numbers.prototypes_used;
  sums_.mean_entropy += numbers.mean_entropy;
  sums_.max_target += numbers.max_target;
  if (numbers.feature_rank) sums_.feature_rank = numbers.feature_rank;
  if (++steps_ < kSteps) return std::nullopt;
  const CollapseNumbers means{sums_.prototypes_used / kSteps, sums_.mean_entropy / kSteps, sums_.max_target / kSteps,
                              sums_.feature_rank};
  sums_ = {};
  steps_ = 0;
  Verdict verdict;
  verdict.signs = collapse_signs(means, limits_);
  const bool before = std::exchange(collapsed_, !verdict.signs.empty());
  verdict.is_new = collapsed_ && !before;
  verdict.is_over = before && !collapsed_;
  return verdict;
}

std::string to_text(const std::vector<CollapseSign>& signs) {
  std::string text;
  for (const CollapseSign& sign : signs)
    text += (text.empty() ? "" : ", ") + sign.text;
  return text;
}

}  // namespace msn
