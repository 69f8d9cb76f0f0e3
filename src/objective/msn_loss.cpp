// SPDX-License-Identifier: Apache-2.0
#include "objective/msn_loss.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_log_softmax.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <cmath>

#include "base/error.hpp"
#include "objective/sinkhorn.hpp"

namespace msn {
namespace {

constexpr double kNormEps = 1e-12;  // As torch.nn.functional.normalize.

struct Normalised {
  at::Tensor unit;     ///< x / |x|
  at::Tensor inverse;  ///< 1 / |x|, [rows, 1]
};

Normalised normalise(const at::Tensor& x) {
  const at::Tensor inverse = x.norm(2, {1}, true).clamp_min_(kNormEps).reciprocal_();
  return {x * inverse, inverse};
}

/// Gradient of x from that of x / |x|.
at::Tensor normalise_backward(const at::Tensor& dunit, const Normalised& x) {
  return (dunit - x.unit * (x.unit * dunit).sum(1, true)).mul_(x.inverse);
}

std::int64_t distinct(const at::Tensor& indices, std::int64_t bound) {
  const at::Tensor seen = at::zeros({bound}, at::kLong);
  seen.index_fill_(0, indices, 1);
  return seen.sum().item<std::int64_t>();
}

}  // namespace

LossResult msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, double sharpen,
                    const LossConfig& config, const Communicator& communicator) {
  const std::int64_t k = prototypes.size(0);
  const std::int64_t views = z.size(0) / h.size(0);
  MSN_CHECK(views * h.size(0) == z.size(0));
  const auto rows = static_cast<double>(z.size(0));
  const Normalised anchors = normalise(z);
  const Normalised protos = normalise(prototypes);

  LossResult result;
  const at::Tensor log_probs =
      at::_log_softmax(at::mm(anchors.unit, protos.unit.t()).div_(config.temperature), 1, false);
  result.anchor_probs = log_probs.exp();

  const at::Tensor target_logits = at::mm(normalise(h).unit, protos.unit.t()).div_(config.temperature);
  result.target_probs = at::_softmax(target_logits, 1, false);
  // p^(1/T) / Σ p^(1/T) is the softmax of the logits over T: the same values, without powers of small numbers.
  result.sharpened = at::_softmax(target_logits / sharpen, 1, false);

  // One message: the mean prediction's sums, and the total of the targets for Sinkhorn.
  const at::Tensor message =
      at::cat({result.anchor_probs.mean(0).to(at::kDouble), result.sharpened.sum().to(at::kDouble).reshape({1})});
  communicator.sum(message);
  const at::Tensor mean_probs = message.narrow(0, 0, k) / communicator.size();
  result.targets = config.sinkhorn > 0
                       ? sinkhorn(result.sharpened, message[k].item<double>(), config.sinkhorn, communicator)
                       : result.sharpened;

  const at::Tensor targets = result.targets.repeat({views, 1});
  LossParts& parts = result.parts;
  parts.cross_entropy = -(targets * log_probs).sum().item<double>() / rows;
  parts.me_max = std::log(static_cast<double>(k)) + (mean_probs * mean_probs.log()).sum().item<double>();
  parts.entropy = -(result.anchor_probs * log_probs).sum().item<double>() / rows;
  parts.loss = parts.cross_entropy + config.me_max * parts.me_max + config.entropy * parts.entropy;
  parts.prototypes_used = static_cast<double>(distinct(result.targets.argmax(1), k));
  parts.max_target = result.targets.amax(1).mean().item<double>();
  parts.min_target = result.targets.amin(1).mean().item<double>();

  // d cross entropy / d logits = (Σ t) p - t; through p: d me-max / d p = log mean + 1, d entropy / d p = -(log p + 1).
  const at::Tensor& p = result.anchor_probs;
  at::Tensor dlogits = p * targets.sum(1, true) - targets;
  at::Tensor dp = ((mean_probs.log() + 1) * config.me_max).to(p.scalar_type()).unsqueeze(0);
  if (config.entropy != 0) dp = dp - (log_probs + 1) * config.entropy;
  const at::Tensor weighted = p * dp;
  dlogits += weighted - p * weighted.sum(1, true);
  dlogits.div_(rows * config.temperature);

  result.dz = normalise_backward(at::mm(dlogits, protos.unit), anchors);
  result.dprototypes = normalise_backward(at::mm(dlogits.t(), anchors.unit), protos);
  return result;
}

}  // namespace msn
