// SPDX-License-Identifier: Apache-2.0
// The optimiser of a host that does not wait for its device: what the numbers of a step decide is decided there.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/adamw.hpp"
#include "kernels/update_scalars.hpp"
#include "objective/schedules.hpp"
#include "train/optimizer.hpp"
#include "train/state.hpp"

namespace msn {

/// What the host knows of an update; `count` is its number, from 1. clip_factor and alive are 1.
kernels::UpdateScalars update_scalars(const ScheduleValues& schedule, std::int64_t count);

/// The scalars as float64 [kUpdateScalars] in host memory.
at::Tensor tensor_of(const kernels::UpdateScalars& scalars);

/// One state's optimiser, in the form of kernel_form(), or of LibTorch's operators where that is KernelForm::rows. Made
/// once, before any capture: it may put tables into the device's memory. Each member gives work to the current stream
/// and returns; a captured graph may hold all three. `scalars`: kernels::UpdateScalars as float64 [kUpdateScalars] on
/// the state's device, at a fixed place.
class DeviceOptimizer {
 public:
  /// `state` must outlive it, and its buffers and the shadows stay where they are.
  DeviceOptimizer(TrainState& state, const OptimizerOptions& options, const WeightShadows& shadows = {});

  /// GradientNorms as float64 [2]: encoder, prototypes.
  at::Tensor gradient_norms() const;

  /// Completes `scalars`: clip_factor by the norms; and alive, which becomes 0 unless both norms are finite and
  /// `not_finite`, one number of any type, is 0. An alive of 0 stays so until the host writes 1: it stops later
  /// updates, too.
  void decide(const at::Tensor& scalars, const at::Tensor& norms, const at::Tensor& not_finite) const;

  /// As update_state(). Where alive is 0, weights, moments, target and shadows keep their bits.
  void update(const at::Tensor& scalars) const;

 private:
  TrainState& state_;
  const OptimizerOptions options_;
  const WeightShadows shadows_;
  const std::vector<kernels::UpdateRange> ranges_;  ///< With gradients that are not clipped.
  const at::Tensor pieces_;                         ///< The same for Kokkos; undefined in other forms.
};

/// The [] of `scalars` that holds a member: offsetof(kernels::UpdateScalars, member).
at::Tensor scalar_at(const at::Tensor& scalars, std::size_t offset);

}  // namespace msn
