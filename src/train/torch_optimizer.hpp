// SPDX-License-Identifier: Apache-2.0
// The optimiser by LibTorch's operators, on any device: device_optimizer.hpp where no kernel of src/kernels/device
// does. Nothing here waits for the device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/adamw.hpp"
#include "train/optimizer.hpp"

namespace msn {

/// GradientNorms as float64 [2]: encoder, prototypes.
at::Tensor torch_gradient_norms(const TrainState& state, const OptimizerOptions& options);

/// Elements that are updated together: what bounds the temporaries, which are three times as many.
inline constexpr std::int64_t kUpdateChunk = std::int64_t{16} << 20;

/// As DeviceOptimizer::update(), over `ranges` with a gradient scale that clips nothing: clip_factor applies to those
/// that are averaged, the encoder's.
void torch_update_state(TrainState& state, const std::vector<kernels::UpdateRange>& ranges, const at::Tensor& scalars,
                        const WeightShadows& shadows, std::int64_t chunk = kUpdateChunk);

}  // namespace msn
