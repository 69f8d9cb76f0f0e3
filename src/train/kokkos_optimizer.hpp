// SPDX-License-Identifier: Apache-2.0
// The optimiser by the kernels of Kokkos, where they compute: DeviceOptimizer where kernel_form() is KernelForm::kokkos.
// Nothing here waits for the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/adamw.hpp"
#include "train/optimizer.hpp"

namespace msn {

/// GradientNorms as float64 [2]: encoder, prototypes.
at::Tensor kokkos_gradient_norms(const TrainState& state, const OptimizerOptions& options);

/// What kokkos_update_state() goes by, as bytes on the device: made once, before any capture. The gradient scales of
/// `ranges` clip nothing.
at::Tensor kokkos_update_pieces(const std::vector<kernels::UpdateRange>& ranges, at::Device device);

/// As DeviceOptimizer::update(); clip_factor applies to ranges that are averaged, the encoder's.
void kokkos_update_state(TrainState& state, const at::Tensor& pieces, const at::Tensor& scalars,
                         const WeightShadows& shadows);

}  // namespace msn
