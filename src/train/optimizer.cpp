// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "kernels/adamw.hpp"
#include "kernels/reduce.hpp"
#include "kernels/work_times.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
#include "train/torch_optimizer.hpp"

namespace msn {

namespace {

double norm_of(const at::Tensor& gradients, const OptimizerOptions& options) {
  const kernels::TimedWork work(kernels::Work::optimizer, static_cast<double>(gradients.nbytes()));
  const double squares = gradients.scalar_type() == at::kFloat
                             ? kernels::sum_of_squares<float>(span_of<float>(gradients))
                             : kernels::sum_of_squares<double>(span_of<double>(gradients));
  return std::sqrt(squares) / options.ranks;
}

/// Adam with the mean of the prototypes' gradients and with eps over the number of ranks makes the same update as with
/// their sum, and its moments stay comparable when a run goes on with other ranks.
std::vector<kernels::UpdateRange> update_ranges(const TrainState& state, const OptimizerOptions& options, double clip) {
  const double of_sum = 1.0 / options.ranks;
  std::vector<kernels::UpdateRange> ranges;
  for (const Segment& segment : state.online.segments()) {
    const bool encoder = segment.name != "prototypes";
    if (!encoder && options.freeze_prototypes) continue;
    // Decayed: every encoder tensor with more than one dimension, class token and positions included.
    ranges.push_back({segment.offset, segment.offset + segment.elements, encoder && segment.shape.size() > 1,
                      encoder ? clip * of_sum : of_sum, encoder, encoder ? 1.0 : of_sum});
  }
  return ranges;
}

std::span<kernels::Bf16> bf16_span(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {elements<kernels::Bf16>(tensor), static_cast<std::size_t>(tensor.numel())};
}

std::int64_t bytes_of_update(const TrainState& state, const std::vector<kernels::UpdateRange>& ranges, bool shadows) {
  return state.online.type() == at::kFloat ? kernels::adamw_ema_bytes<float>(ranges, shadows)
                                           : kernels::adamw_ema_bytes<double>(ranges, shadows);
}

at::Tensor as_tensor(const kernels::UpdateScalars& scalars) {
  at::Tensor tensor = at::empty({kernels::kUpdateScalars}, at::kDouble);
  std::memcpy(tensor.mutable_data_ptr(), &scalars, sizeof scalars);
  return tensor;
}

}  // namespace

kernels::UpdateScalars update_scalars(const ScheduleValues& schedule, std::int64_t count) {
  constexpr kernels::AdamWStep step;
  const auto updates = static_cast<double>(count);
  return {.lr = schedule.lr,
          .weight_decay = schedule.weight_decay,
          .ema_momentum = schedule.ema_momentum,
          .correction1 = 1.0 - std::pow(step.beta1, updates),
          .correction2 = 1.0 - std::pow(step.beta2, updates),
          .clip_factor = 1,
          .alive = 1};
}

at::Tensor device_gradient_norms(const TrainState& state, const OptimizerOptions& options) {
  const at::Tensor& gradients = state.online.gradients();
  const kernels::TimedWork work(kernels::Work::optimizer, static_cast<double>(gradients.nbytes()));
  const std::int64_t encoder = state.encoder_end();
  return at::stack({torch_sum_of_squares(gradients.narrow(0, 0, encoder)),
                    torch_sum_of_squares(gradients.narrow(0, encoder, gradients.numel() - encoder))})
      .sqrt_()
      .div_(options.ranks);
}

void device_decide_update(const at::Tensor& scalars, const at::Tensor& norms, const at::Tensor& not_finite,
                          const OptimizerOptions& options) {
  const auto scalar = [&](std::size_t offset) {
    return scalars.select(0, static_cast<std::int64_t>(offset / sizeof(double)));
  };
  if (options.clip > 0) {  // As kernels::clip_factor().
    scalar(offsetof(kernels::UpdateScalars, clip_factor))
        .copy_((norms.select(0, 0) + 1e-6).reciprocal_().mul_(options.clip).clamp_max_(1));
  } else {
    scalar(offsetof(kernels::UpdateScalars, clip_factor)).fill_(1);
  }
  const at::Tensor finite = at::isfinite(norms).all().logical_and_(not_finite.reshape({}).eq(0));
  scalar(offsetof(kernels::UpdateScalars, alive)).mul_(finite);
}

void device_update_state(TrainState& state, const OptimizerOptions& options, const at::Tensor& scalars,
                         const WeightShadows& shadows) {
  const std::vector<kernels::UpdateRange> ranges = update_ranges(state, options, 1);
  const kernels::TimedWork work(kernels::Work::optimizer,
                                static_cast<double>(bytes_of_update(state, ranges, shadows.online.defined())));
  torch_update_state(state, ranges, scalars, shadows);
}

GradientNorms gradient_norms(const TrainState& state, const OptimizerOptions& options) {
  if (kernel_form(state.online.values()) != KernelForm::rows) {
    const at::Tensor norms = device_gradient_norms(state, options).cpu();
    return {norms[0].item<double>(), norms[1].item<double>()};
  }
  const at::Tensor& gradients = state.online.gradients();
  const std::int64_t encoder = state.encoder_end();
  return {norm_of(gradients.narrow(0, 0, encoder), options),
          norm_of(gradients.narrow(0, encoder, gradients.numel() - encoder), options)};
}

void update_state(TrainState& state, const OptimizerOptions& options, const GradientNorms& norms,
                  const ScheduleValues& schedule, const WeightShadows& shadows) {
  const auto count = static_cast<std::int64_t>(state.step - state.skipped) + 1;
  const double clip = kernels::clip_factor(norms.encoder, options.clip);
  if (kernel_form(state.online.values()) != KernelForm::rows) {
    kernels::UpdateScalars scalars = update_scalars(schedule, count);
    scalars.clip_factor = clip;
    return device_update_state(state, options, as_tensor(scalars).to(state.online.device()), shadows);
  }
  const std::vector<kernels::UpdateRange> ranges = update_ranges(state, options, clip);
  kernels::AdamWStep step;
  step.lr = schedule.lr;
  step.weight_decay = schedule.weight_decay;
  step.count = count;
  step.ema_momentum = schedule.ema_momentum;
  const kernels::TimedWork work(kernels::Work::optimizer,
                                static_cast<double>(bytes_of_update(state, ranges, shadows.online.defined())));
  with_parameter_type(state.online.type(), [&]<class T>(T) {
    kernels::adamw_ema<T>(span_of<T>(state.online.values()), span_of<T>(state.online.gradients()),
                          span_of<T>(state.exp_avg), span_of<T>(state.exp_avg_sq), span_of<T>(state.target.values()),
                          ranges, step, {bf16_span(shadows.online), bf16_span(shadows.target)});
  });
}

std::int64_t optimizer_bytes(const TrainState& state, const OptimizerOptions& options, bool shadows) {
  return static_cast<std::int64_t>(state.online.gradients().nbytes()) +
         bytes_of_update(state, update_ranges(state, options, 1), shadows);
}

}  // namespace msn
