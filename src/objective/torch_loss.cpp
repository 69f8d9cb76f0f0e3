// SPDX-License-Identifier: Apache-2.0
#include "objective/torch_loss.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/max.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <tuple>

#include "kernels/work_times.hpp"
#include "model/gemm.hpp"

namespace msn {
namespace {

struct Normalised {
  at::Tensor unit;     ///< x / |x|
  at::Tensor inverse;  ///< 1 / |x|, [rows, 1]
};

Normalised normalise(const at::Tensor& x) {
  constexpr double smallest = 1e-12;
  const at::Tensor norm = at::linalg_vector_norm(x, 2, {1}, true, at::kDouble);
  const at::Tensor inverse = norm.clamp_min(smallest).reciprocal_().to(x.scalar_type());
  return {x * inverse, inverse};
}

/// The gradient of x from that of x / |x|.
at::Tensor normalise_backward(const at::Tensor& gradient, const Normalised& x) {
  const at::Tensor along = (x.unit * gradient).sum(1, true);
  return (gradient - x.unit * along).mul_(x.inverse);
}

at::Tensor logits(const Normalised& x, const Normalised& prototypes, double temperature) {
  return product(x.unit, prototypes.unit.t()).contiguous().div_(temperature);
}

/// In double precision, [] of all elements and [columns] over the rows.
at::Tensor sum_of_all(const at::Tensor& x) {
  return x.sum(at::kDouble);
}
at::Tensor sum_of_rows(const at::Tensor& x) {
  return x.sum(0, false, at::kDouble);
}

/// Rows of predictions p = keep * softmax + floor, and what their gradients want.
struct Predictions {
  Predictions(const at::Tensor& logits, double smoothing)
      : keep(1 - smoothing), log(at::log_softmax(logits, 1)), softmax(at::exp(log)), values(softmax) {
    if (smoothing == 0) return;
    values = (softmax * keep).add_(smoothing / static_cast<double>(logits.size(1)));
    log = at::log(values);
  }

  /// The gradient of Σ (slopes p - entropy p log p - targets log p) with respect to the logits. `targets` have a row
  /// for each of p. Through p: slope - entropy (log p + 1) - t / p; through the softmax s: s (d - Σ s d), which for the
  /// targets is (Σ t) s - t if p is s.
  at::Tensor gradient(const at::Tensor& targets, const at::Tensor& slopes, double entropy) const {
    at::Tensor d = entropy == 0 ? slopes.expand_as(log).clone() : slopes - (log + 1).mul_(entropy);
    if (keep == 1) {
      const at::Tensor shift = targets.sum(1, true).sub_((softmax * d).sum(1, true));
      return d.add_(shift).mul_(softmax).sub_(targets);
    }
    d.sub_(targets / values).mul_(keep);
    return d.sub_((softmax * d).sum(1, true)).mul_(softmax);
  }

  double keep;  ///< One less the smoothing.
  at::Tensor log, softmax, values;
};

at::Tensor sharpened(const at::Tensor& x, const Normalised& prototypes, const at::Tensor& sharpen,
                     const LossConfig& config) {
  const at::Tensor of_predictions = logits(normalise(x), prototypes, config.temperature);
  const at::Tensor power = sharpen.reciprocal().to(x.scalar_type());
  // A power of a softmax, normalised, is a colder softmax.
  const at::Tensor log =
      config.label_smoothing == 0 ? of_predictions : Predictions(of_predictions, config.label_smoothing).log;
  return at::softmax(log * power, 1);
}

/// Which prototypes the targets of this rank choose, and how surely.
struct TargetFacts {
  explicit TargetFacts(const at::Tensor& targets) {
    at::Tensor largest;
    std::tie(largest, chosen) = at::max(targets, 1);
    const auto samples = static_cast<double>(targets.size(0));
    max_target = sum_of_all(largest).div_(samples);
    min_target = sum_of_all(targets.amin(1)).div_(samples);
    prototypes_used = at::zeros({targets.size(1)}, max_target.options()).scatter_(0, chosen, 1).sum();
  }

  at::Tensor chosen, prototypes_used, max_target, min_target;
};

}  // namespace

LossResult torch_msn_loss(const at::Tensor& z, const at::Tensor& h, const at::Tensor& prototypes,
                          const at::Tensor& sharpen, const LossConfig& config, const at::Tensor& log_prior,
                          const Communicator& communicator) {
  const kernels::TimedWork work(kernels::Work::loss);
  const std::int64_t k = prototypes.size(0), samples = h.size(0);
  const auto count = static_cast<double>(z.size(0));
  const Normalised anchors = normalise(z), protos = normalise(prototypes);
  const Predictions p(logits(anchors, protos, config.temperature), config.label_smoothing);
  LossResult result;
  result.sharpened = sharpened(h, protos, sharpen, config);

  // One message: the mean prediction's sums, and the total of the targets for Sinkhorn.
  const at::Tensor message = at::cat({sum_of_rows(p.values).div_(count), sum_of_all(result.sharpened).unsqueeze(0)});
  communicator.sum(message, "mean prediction");
  const at::Tensor mean_probs = message.narrow(0, 0, k) / communicator.size();
  const at::Tensor log_mean = mean_probs.log();
  const at::Tensor mean_over_prior = log_mean - log_prior;  // In logarithms.
  result.targets = config.sinkhorn > 0
                       ? torch_sinkhorn(result.sharpened, message.select(0, k), config.sinkhorn, communicator)
                       : result.sharpened;
  const TargetFacts facts(result.targets);
  result.chosen = facts.chosen;

  // Not by repeat(), which takes indices from the host.
  const at::Tensor targets = result.targets.expand({z.size(0) / samples, samples, k}).reshape({z.size(0), k});
  const at::Tensor me_max = (mean_probs * mean_over_prior).sum();
  const at::Tensor entropy = sum_of_all(p.values * p.log).div_(-count);
  const at::Tensor cross_entropy = sum_of_all(targets * p.log).div_(-count);
  const at::Tensor loss = cross_entropy + me_max * config.me_max + entropy * config.entropy;
  const at::Tensor mean_entropy = (mean_probs * log_mean).sum().neg();
  result.values = at::stack({loss, cross_entropy, me_max, entropy, facts.prototypes_used, facts.max_target,
                             facts.min_target, mean_entropy});

  // d me-max / d prediction = log(mean / prior) + 1.
  const at::Tensor slopes = (mean_over_prior + 1).mul_(config.me_max).to(z.scalar_type());
  const at::Tensor dcosines = p.gradient(targets, slopes, config.entropy).mul_(1 / (count * config.temperature));
  result.dz = normalise_backward(product(dcosines, protos.unit), anchors);
  result.dprototypes = normalise_backward(product(dcosines.t(), anchors.unit), protos);
  return result;
}

at::Tensor torch_predictions(const at::Tensor& x, const at::Tensor& prototypes, const at::Tensor& sharpen,
                             const LossConfig& config) {
  return sharpened(x, normalise(prototypes), sharpen, config);
}

at::Tensor torch_sinkhorn(const at::Tensor& targets, const at::Tensor& total, int iterations,
                          const Communicator& communicator) {
  const auto prototypes = static_cast<double>(targets.size(1));
  const double all_rows = static_cast<double>(targets.size(0)) * communicator.size();
  at::Tensor q = targets, sums = sum_of_rows(targets);
  for (int i = 0; i < iterations; ++i) {
    // The sum of q over all ranks is `total` at first; then every row's is 1.
    const at::Tensor mass = i == 0 ? sums / total : sums / all_rows;  // Of every prototype over the global batch.
    communicator.sum(mass, "Sinkhorn");
    const at::Tensor scaled = i == 0 ? mass * total : mass * all_rows;
    const at::Tensor factors = scaled.mul_(prototypes).reciprocal_().to(q.scalar_type());
    q = q * factors;
    q.mul_(q.sum(1, true).reciprocal_());
    sums = sum_of_rows(q);
  }
  return q;
}

}  // namespace msn
