// SPDX-License-Identifier: Apache-2.0
// The MSN objective (Assran et al., arXiv 2204.07141, equations 1 to 3) with the prior of PMSN (arXiv 2210.07277) and
// its gradients by hand.
#pragma once

#include <ATen/core/Tensor.h>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "objective/loss_parts.hpp"

namespace msn {

struct LossResult {
  at::Tensor values;       ///< As values_of(parts), where z is.
  LossParts parts;         ///< The same on the host, if z is in its memory: else only the device knows them yet.
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
/// iteration. All tensors are on one device, which the host does not wait for.
LossResult msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, double sharpen,
                    const LossConfig& config, const at::Tensor& log_prior, const Communicator& communicator);

/// The same with the temperature of the targets in the memory of z's device, float64 []: a captured graph reads it anew
/// each time.
LossResult msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, const at::Tensor& sharpen,
                    const LossConfig& config, const at::Tensor& log_prior, const Communicator& communicator);

/// The predictions [rows, K] of embeddings x [rows, out] as msn_loss() makes its targets before Sinkhorn: p^(1/sharpen)
/// over its sum; with sharpen 1 it is p.
at::Tensor predictions(const at::Tensor& x, const at::Tensor& prototypes, double sharpen, const LossConfig& config);

}  // namespace msn
