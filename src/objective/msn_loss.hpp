// SPDX-License-Identifier: Apache-2.0
// The MSN objective (Assran et al., arXiv 2204.07141, equations 1 to 3) with the prior of PMSN (arXiv 2210.07277) and
// its gradients by hand.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"
#include "config/config.hpp"

namespace msn {

/// What a step reports of the objective; this rank's rows only, except me_max.
struct LossParts {
  double loss = 0;             ///< cross_entropy + λ me_max + weight * entropy
  double cross_entropy = 0;    ///< Mean over anchor rows of -Σ target log prediction.
  double me_max = 0;           ///< KL(mean prediction over all ranks || prior), unweighted; log K - H(mean) for the
                               ///< uniform prior.
  double entropy = 0;          ///< Mean entropy of the anchors' predictions.
  double prototypes_used = 0;  ///< Distinct largest targets among this rank's samples.
  double max_target = 0;       ///< Mean over samples of the largest and smallest target probability.
  double min_target = 0;
};

struct LossResult {
  LossParts parts;
  at::Tensor dz;           ///< Gradient of z, [anchor rows, out].
  at::Tensor dprototypes;  ///< This rank's gradient of the prototypes, [K, out]. The official code sums it over ranks.
  at::Tensor sharpened;    ///< [samples, K], before Sinkhorn.
  at::Tensor targets;      ///< [samples, K]
  at::Tensor chosen;       ///< The prototype of each sample's largest target, [samples] int64.
};

/// z [anchor rows, out]: embeddings of the anchors, view-major (row v * samples + b); h [samples, out]: of the target
/// views. Predictions are p = (1 - s) softmax(cos(z, prototype) / temperature) + s / K with s = label_smoothing.
/// Targets are the same for h, sharpened as p^(1/sharpen) / Σ, then balanced by Sinkhorn where on, and take no
/// gradient. `log_prior` float64 [K] as log_prior() gives it. The gradients are of this rank's loss, with the mean
/// prediction's taken as if it were local: averaged over ranks they are exact. Collectives: 1, and 1 a Sinkhorn
/// iteration.
LossResult msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, double sharpen,
                    const LossConfig& config, const at::Tensor& log_prior, const Communicator& communicator);

/// The predictions [rows, K] of embeddings x [rows, out] as msn_loss() makes its targets before Sinkhorn: p^(1/sharpen)
/// over its sum; with sharpen 1 it is p.
at::Tensor predictions(const at::Tensor& x, const at::Tensor& prototypes, double sharpen, const LossConfig& config);

}  // namespace msn
