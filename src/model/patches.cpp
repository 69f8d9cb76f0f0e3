// SPDX-License-Identifier: Apache-2.0
#include "model/patches.hpp"

namespace msn {

at::Tensor patch_rows(const at::Tensor& images, std::int64_t patch) {
  const std::int64_t grid = images.size(2) / patch;
  return images.narrow(2, 0, grid * patch)
      .narrow(3, 0, grid * patch)
      .unflatten(3, {grid, patch})
      .unflatten(2, {grid, patch})  // [n, 3, grid, patch, grid, patch]
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({images.size(0), grid * grid, 3 * patch * patch});
}

}  // namespace msn
