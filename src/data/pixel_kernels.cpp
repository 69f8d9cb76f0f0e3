// SPDX-License-Identifier: Apache-2.0
#include "data/pixel_kernels.hpp"

namespace msn {

const PixelKernels& pixel_kernels() {
  static const PixelKernels& fastest = avx2_pixel_kernels() ? *avx2_pixel_kernels() : generic_pixel_kernels();
  return fastest;
}

}  // namespace msn
