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

/// (1 - s) p + s / K of predictions p [rows, K].
at::Tensor smooth(const at::Tensor& p, double smoothing) {
  if (smoothing == 0) return p;
  return p * (1 - smoothing) + smoothing / static_cast<double>(p.size(1));
}

}  // namespace

LossResult msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes, double sharpen,
                    const LossConfig& config, const at::Tensor& log_prior, const Communicator& communicator) {
  const std::int64_t k = prototypes.size(0);
  const std::int64_t views = z.size(0) / h.size(0);
  MSN_CHECK(views * h.size(0) == z.size(0));
  MSN_CHECK(log_prior.numel() == k);
  const auto rows = static_cast<double>(z.size(0));
  const double smoothing = config.label_smoothing;
  const Normalised anchors = normalise(z);
  const Normalised protos = normalise(prototypes);

  LossResult result;
  const at::Tensor logits = at::mm(anchors.unit, protos.unit.t()).div_(config.temperature);
  at::Tensor log_probs = at::_log_softmax(logits, 1, false);
  const at::Tensor p = log_probs.exp();
  result.anchor_probs = smooth(p, smoothing);
  if (smoothing > 0) log_probs = result.anchor_probs.log();

  const at::Tensor target_logits = at::mm(normalise(h).unit, protos.unit.t()).div_(config.temperature);
  result.target_probs = smooth(at::_softmax(target_logits, 1, false), smoothing);
  // p^(1/T) / Σ p^(1/T) is a softmax of log p over T, without powers of small numbers.
  result.sharpened = at::_softmax((smoothing > 0 ? result.target_probs.log() : target_logits).div(sharpen), 1, false);

  // One message: the mean prediction's sums, and the total of the targets for Sinkhorn.
  const at::Tensor message =
      at::cat({result.anchor_probs.mean(0).to(at::kDouble), result.sharpened.sum().to(at::kDouble).reshape({1})});
  communicator.sum(message, "mean prediction");
  const at::Tensor mean_probs = message.narrow(0, 0, k) / communicator.size();
  const at::Tensor mean_over_prior = mean_probs.log() - log_prior;  // In logarithms.
  result.targets = config.sinkhorn > 0
                       ? sinkhorn(result.sharpened, message[k].item<double>(), config.sinkhorn, communicator)
                       : result.sharpened;

  const at::Tensor targets = result.targets.repeat({views, 1});
  LossParts& parts = result.parts;
  parts.cross_entropy = -(targets * log_probs).sum().item<double>() / rows;
  parts.me_max = (mean_probs * mean_over_prior).sum().item<double>();
  parts.entropy = -(result.anchor_probs * log_probs).sum().item<double>() / rows;
  parts.loss = parts.cross_entropy + config.me_max * parts.me_max + config.entropy * parts.entropy;
  parts.prototypes_used = static_cast<double>(distinct(result.targets.argmax(1), k));
  parts.max_target = result.targets.amax(1).mean().item<double>();
  parts.min_target = result.targets.amin(1).mean().item<double>();

  // Through a prediction's element: d cross entropy / dp = -t / p, d me-max / dp = log(mean / prior) + 1,
  // d entropy / dp = -(log p + 1). Through the softmax: dlogits = p dp - p Σ p dp, for the cross-entropy (Σ t) p - t.
  at::Tensor dp = (mean_over_prior + 1).mul_(config.me_max).to(p.scalar_type()).unsqueeze(0);
  if (config.entropy != 0) dp = dp - (log_probs + 1) * config.entropy;
  if (smoothing > 0) dp = (dp - targets / result.anchor_probs) * (1 - smoothing);
  const at::Tensor weighted = p * dp;
  at::Tensor dlogits = weighted - p * weighted.sum(1, true);
  if (smoothing == 0) dlogits.add_(p * targets.sum(1, true) - targets);
  dlogits.div_(rows * config.temperature);

  result.dz = normalise_backward(at::mm(dlogits, protos.unit), anchors);
  result.dprototypes = normalise_backward(at::mm(dlogits.t(), anchors.unit), protos);
  return result;
}

}  // namespace msn
