// SPDX-License-Identifier: Apache-2.0
#include "train/torch_optimizer.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cstddef>

#include "train/device_optimizer.hpp"

namespace msn {
namespace {

/// Neighbours among the ranges that differ only in whether they decay.
struct Span {
  kernels::UpdateRange range;
  std::vector<kernels::UpdateRange> decaying;
};

/// What lies between the ranges of a span is updated too: padding, which is zero with zero gradients and stays so.
std::vector<Span> spans_of(const std::vector<kernels::UpdateRange>& ranges) {
  std::vector<Span> spans;
  for (const kernels::UpdateRange& range : ranges) {
    const bool same = !spans.empty() && spans.back().range.averaged == range.averaged &&
                      spans.back().range.gradient_scale == range.gradient_scale &&
                      spans.back().range.epsilon_scale == range.epsilon_scale;
    if (!same) spans.push_back({range, {}});
    spans.back().range.end = range.end;
    if (range.decays) spans.back().decaying.push_back(range);
  }
  return spans;
}

/// The numbers of a span's update, [] each, in the type of the weights but for `alive`, which is bool.
struct Factors {
  at::Tensor alive, gradient_scale, keep, eps, minus_step_size, one_minus_momentum;
};

Factors factors_of(const kernels::UpdateRange& range, const at::Tensor& scalars, at::ScalarType type) {
  const auto scalar = [&](std::size_t offset) { return scalar_at(scalars, offset); };
  const at::Tensor lr = scalar(offsetof(kernels::UpdateScalars, lr));
  const at::Tensor root_correction2 = scalar(offsetof(kernels::UpdateScalars, correction2)).sqrt();
  const at::Tensor correction1 = scalar(offsetof(kernels::UpdateScalars, correction1));
  const at::Tensor clip = scalar(offsetof(kernels::UpdateScalars, clip_factor));
  const at::Tensor numbers =
      at::stack({range.averaged ? clip * range.gradient_scale : clip.new_full({}, range.gradient_scale),
                 (lr * scalar(offsetof(kernels::UpdateScalars, weight_decay))).neg_().add_(1),
                 root_correction2 * (kernels::AdamWStep{}.eps * range.epsilon_scale),
                 (lr / correction1).mul_(root_correction2).neg_(),
                 scalar(offsetof(kernels::UpdateScalars, ema_momentum)).neg().add_(1)})
          .to(type);
  return {scalar(offsetof(kernels::UpdateScalars, alive)).ne(0),
          numbers[0],
          numbers[1],
          numbers[2],
          numbers[3],
          numbers[4]};
}

/// The parts of `values`, which are those of [begin, ...), that decay.
std::vector<at::Tensor> decaying_parts(const Span& span, const at::Tensor& values, std::int64_t begin) {
  const std::int64_t end = begin + values.numel();
  std::vector<at::Tensor> parts;
  for (const kernels::UpdateRange& range : span.decaying) {
    const std::int64_t first = std::max(begin, range.begin), last = std::min(end, range.end);
    if (first < last) parts.push_back(values.narrow(0, first - begin, last - first));
  }
  return parts;
}

/// The arithmetic of kernels::adamw_ema(). What is not alive is computed as well and then not taken: a factor of 0
/// would let gradients that are not finite through.
void update_chunk(TrainState& state, const Span& span, const Factors& by, const WeightShadows& shadows,
                  std::int64_t begin, std::int64_t count) {
  constexpr kernels::AdamWStep step;
  const auto part = [&](const at::Tensor& flat) { return flat.narrow(0, begin, count); };
  const auto take = [&](const at::Tensor& flat, const at::Tensor& value) {
    const at::Tensor kept = part(flat);
    at::Tensor out = kept;
    at::where_out(out, by.alive, value, kept);
  };
  const at::Tensor scratch = part(state.online.gradients()) * by.gradient_scale;
  at::Tensor first = at::lerp(part(state.exp_avg), scratch, 1 - step.beta1);
  const at::Tensor second = (part(state.exp_avg_sq) * step.beta2).addcmul_(scratch, scratch, 1 - step.beta2);
  take(state.exp_avg, first);
  take(state.exp_avg_sq, second);
  const at::Tensor direction = first.div_(second.sqrt_().add_(by.eps));
  const at::Tensor& weights = scratch.copy_(part(state.online.values()));
  const std::vector<at::Tensor> decaying = decaying_parts(span, weights, begin);
  if (!decaying.empty()) at::_foreach_mul_(decaying, by.keep);
  take(state.online.values(), weights.addcmul_(direction, by.minus_step_size));
  if (shadows.online.defined()) part(shadows.online).copy_(part(state.online.values()));
  if (!span.range.averaged) return;
  at::lerp_out(first, part(state.target.values()), part(state.online.values()), by.one_minus_momentum);
  take(state.target.values(), first);
  if (shadows.target.defined()) part(shadows.target).copy_(part(state.target.values()));
}

// Rows of float32 are summed in it, and then, as float64, all rows: a float64 copy of the gradients would be twice as
// large as they are. Their squares overflow beyond a norm of 1e19, which then is infinite.
at::Tensor sum_of_squares(const at::Tensor& values) {
  constexpr std::int64_t row = 1024;
  const std::int64_t in_rows = values.numel() / row * row;
  const auto squares = [](const at::Tensor& norms) { return norms.to(at::kDouble).square_().sum(); };
  const at::Tensor rest = values.narrow(0, in_rows, values.numel() - in_rows).unsqueeze(0);
  const at::Tensor total = squares(at::linalg_vector_norm(rest, 2, {1}));
  if (in_rows == 0) return total;
  return total.add_(squares(at::linalg_vector_norm(values.narrow(0, 0, in_rows).view({-1, row}), 2, {1})));
}

}  // namespace

at::Tensor torch_gradient_norms(const TrainState& state, const OptimizerOptions& options) {
  const at::Tensor& gradients = state.online.gradients();
  const std::int64_t encoder = state.encoder_end();
  return at::stack({sum_of_squares(gradients.narrow(0, 0, encoder)),
                    sum_of_squares(gradients.narrow(0, encoder, gradients.numel() - encoder))})
      .sqrt_()
      .div_(options.ranks);
}

void torch_update_state(TrainState& state, const std::vector<kernels::UpdateRange>& ranges, const at::Tensor& scalars,
                        const WeightShadows& shadows, std::int64_t chunk) {
  for (const Span& span : spans_of(ranges)) {
    const Factors factors = factors_of(span.range, scalars, state.online.type());
    for (std::int64_t begin = span.range.begin; begin < span.range.end; begin += chunk)
      update_chunk(state, span, factors, shadows, begin, std::min(chunk, span.range.end - begin));
  }
}

}  // namespace msn
