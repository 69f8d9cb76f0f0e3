// SPDX-License-Identifier: Apache-2.0
#include "train/device_optimizer.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <cstddef>
#include <cstring>

#include "kernels/work_times.hpp"
#include "model/kernel_form.hpp"
#include "train/finite.hpp"
#include "train/kokkos_optimizer.hpp"
#include "train/torch_optimizer.hpp"

namespace msn {

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

at::Tensor tensor_of(const kernels::UpdateScalars& scalars) {
  at::Tensor tensor = at::empty({kernels::kUpdateScalars}, at::kDouble);
  std::memcpy(tensor.mutable_data_ptr(), &scalars, sizeof scalars);
  return tensor;
}

at::Tensor scalar_at(const at::Tensor& scalars, std::size_t offset) {
  return scalars.select(0, static_cast<std::int64_t>(offset / sizeof(double)));
}

DeviceOptimizer::DeviceOptimizer(TrainState& state, const OptimizerOptions& options, const WeightShadows& shadows)
    : state_(state),
      options_(options),
      shadows_(shadows),
      ranges_(update_ranges(state, options, 1)),
      pieces_(kernel_form(state.online.values()) == KernelForm::kokkos
                  ? kokkos_update_pieces(ranges_, state.online.values().device())
                  : at::Tensor()) {}

at::Tensor DeviceOptimizer::gradient_norms() const {
  const kernels::TimedWork work(kernels::Work::optimizer);
  return pieces_.defined() ? kokkos_gradient_norms(state_, options_) : torch_gradient_norms(state_, options_);
}

void DeviceOptimizer::decide(const at::Tensor& scalars, const at::Tensor& norms, const at::Tensor& not_finite) const {
  const at::Tensor clip_factor = scalar_at(scalars, offsetof(kernels::UpdateScalars, clip_factor));
  if (options_.clip > 0) {  // As kernels::clip_factor().
    clip_factor.copy_((norms[0] + 1e-6).reciprocal_().mul_(options_.clip).clamp_max_(1.0));
  } else {
    clip_factor.fill_(1);
  }
  const at::Tensor finite = all_finite(norms).bitwise_and(not_finite.reshape({}).eq(0));
  scalar_at(scalars, offsetof(kernels::UpdateScalars, alive)).mul_(finite);
}

void DeviceOptimizer::update(const at::Tensor& scalars) const {
  const kernels::TimedWork work(kernels::Work::optimizer);
  if (pieces_.defined()) return kokkos_update_state(state_, pieces_, scalars, shadows_);
  torch_update_state(state_, ranges_, scalars, shadows_);
}

}  // namespace msn
