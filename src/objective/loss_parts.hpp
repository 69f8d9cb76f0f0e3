// SPDX-License-Identifier: Apache-2.0
// The numbers that a step reports of the objective, by name and as a tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace msn {

/// What a step reports of the objective; this rank's rows only, except me_max and mean_entropy.
struct LossParts {
  double loss = 0;             ///< cross_entropy + λ me_max + weight * entropy
  double cross_entropy = 0;    ///< Mean over anchor rows of -Σ target log prediction.
  double me_max = 0;           ///< KL(mean prediction over all ranks || prior), unweighted; log K - H(mean) for the
                               ///< uniform prior.
  double entropy = 0;          ///< Mean entropy of the anchors' predictions.
  double prototypes_used = 0;  ///< Distinct largest targets among this rank's samples.
  double max_target = 0;       ///< Mean over samples of the largest and smallest target probability.
  double min_target = 0;
  double mean_entropy = 0;     ///< Entropy of the mean prediction over all ranks, in nats: log K if it is even. No part
                               ///< of the loss, and not finite only where me_max is not.
};

/// A member of LossParts under the name that metrics.jsonl gives it.
struct NamedPart {
  std::string_view name;
  double LossParts::*value;
};

/// All but mean_entropy, the loss first.
std::span<const NamedPart> loss_parts();
inline constexpr std::int64_t kLossParts = 7;
inline constexpr std::int64_t kLossValues = kLossParts + 1;

/// The parts in the order of loss_parts(), then mean_entropy: float64 [kLossValues] in host memory.
at::Tensor values_of(const LossParts& parts);

/// The other way round, from host memory.
LossParts parts_of(const at::Tensor& values);

}  // namespace msn
