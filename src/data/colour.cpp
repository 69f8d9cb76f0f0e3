// SPDX-License-Identifier: Apache-2.0
#include "data/colour.hpp"

namespace msn {

void adjust_brightness(Planes& image, double factor, const PixelKernels& kernels) {
  for (std::size_t c = 0; c < 3; ++c)
    kernels.blend_constant(image.plane(c).data(), image.pixels(), 0, static_cast<float>(factor));
}

void adjust_contrast(Planes& image, double factor, const PixelKernels& kernels) {
  const std::uint64_t sum = kernels.luma_sum(image.pointers().data(), image.pixels());
  const int mean = kernels::mean_luma(sum, image.pixels());
  for (std::size_t c = 0; c < 3; ++c)
    kernels.blend_constant(image.plane(c).data(), image.pixels(), mean, static_cast<float>(factor));
}

void adjust_saturation(Planes& image, double factor, const PixelKernels& kernels) {
  kernels.blend_luma(image.pointers().data(), image.pixels(), static_cast<float>(factor));
}

std::uint8_t hue_steps(double factor) {
  return static_cast<std::uint8_t>(static_cast<int>(factor * 255));
}

void adjust_hue(Planes& image, double factor, const PixelKernels& kernels) {
  kernels.shift_hue(image.pointers().data(), image.pixels(), hue_steps(factor));
}

void to_grayscale(Planes& image, const PixelKernels& kernels) {
  kernels.grayscale(image.pointers().data(), image.pixels());
}

}  // namespace msn
