// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace msn {

/// Images [n, 3, size, size] -> patch rows [n, grid², 3 * patch²], grid = size / patch rounded down (pixels beyond are
/// unused), patches row-major, values of a patch in the order channel, row, column: that of patch_embed.proj.weight.
at::Tensor patch_rows(const at::Tensor& images, std::int64_t patch);

}  // namespace msn
