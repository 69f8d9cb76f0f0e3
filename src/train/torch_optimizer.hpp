// SPDX-License-Identifier: Apache-2.0
// The optimiser by LibTorch's operators, on any device: optimizer.hpp where kernel_form() is KernelForm::torch. Nothing
// here waits for the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/adamw.hpp"
#include "train/optimizer.hpp"

namespace msn {

/// The sum of squares of a flat buffer, float64 [].
at::Tensor torch_sum_of_squares(const at::Tensor& values);

/// As device_update_state(), over `ranges` with a gradient scale that clips nothing: clip_factor applies to those that
/// are averaged, the encoder's.
void torch_update_state(TrainState& state, const std::vector<kernels::UpdateRange>& ranges, const at::Tensor& scalars,
                        const WeightShadows& shadows);

}  // namespace msn
