// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace msn {

/// The matrix [to², from²] (float64) that resamples a row-major grid of from x from position vectors to to x to:
/// bicubic with a = -0.75, align_corners false, no antialias, edges clamped, as the official code's interpolation. A
/// fixed matrix makes forward and backward two plain products.
at::Tensor position_resampling(std::int64_t from, std::int64_t to);

}  // namespace msn
