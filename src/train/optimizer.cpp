// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer.hpp"

#include <cmath>
#include <span>
#include <vector>

#include "kernels/adamw.hpp"
#include "kernels/reduce.hpp"
#include "kernels/work_times.hpp"
#include "model/kernel_form.hpp"
#include "model/kernel_types.hpp"
#include "train/device_optimizer.hpp"
#include "train/kokkos_optimizer.hpp"
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

std::span<kernels::Bf16> bf16_span(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  return {elements<kernels::Bf16>(tensor), static_cast<std::size_t>(tensor.numel())};
}

std::int64_t bytes_of_update(const TrainState& state, const std::vector<kernels::UpdateRange>& ranges, bool shadows) {
  return state.online.type() == at::kFloat ? kernels::adamw_ema_bytes<float>(ranges, shadows)
                                           : kernels::adamw_ema_bytes<double>(ranges, shadows);
}

}  // namespace

// Adam with the mean of the prototypes' gradients and with eps over the number of ranks makes the same update as with
// their sum, and its moments stay comparable when a run goes on with other ranks.
std::vector<kernels::UpdateRange> update_ranges(const TrainState& state, const OptimizerOptions& options, double clip) {
  const double of_sum = 1.0 / options.ranks;
  std::vector<kernels::UpdateRange> ranges;
  for (const Segment& segment : state.online.segments()) {
    const bool encoder = segment.name != "prototypes";
    if (!encoder && options.freeze_prototypes) continue;
    ranges.push_back({segment.offset, segment.offset + segment.elements, encoder && segment.shape.size() > 1,
                      encoder ? clip * of_sum : of_sum, encoder, encoder ? 1.0 : of_sum});
  }
  return ranges;
}

GradientNorms gradient_norms(const TrainState& state, const OptimizerOptions& options) {
  const KernelForm form = kernel_form(state.online.values());
  if (form != KernelForm::rows) {
    const bool kokkos = form == KernelForm::kokkos;
    const at::Tensor norms =
        (kokkos ? kokkos_gradient_norms(state, options) : torch_gradient_norms(state, options)).cpu();
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
    return DeviceOptimizer(state, options, shadows).update(tensor_of(scalars).to(state.online.device()));
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
