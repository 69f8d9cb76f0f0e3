// SPDX-License-Identifier: Apache-2.0
// Colour operations of torchvision's Pillow back end on 8-bit planes, bit for bit, in place.
#pragma once

#include <cstdint>

#include "data/image.hpp"
#include "data/pixel_kernels.hpp"

namespace msn {

/// Factor 0: black, 1: unchanged. Results are truncated, then kept within 0 to 255. The same holds for the next two.
void adjust_brightness(Planes& image, double factor, const PixelKernels& kernels = pixel_kernels());
/// Blends with the rounded mean luma of the image.
void adjust_contrast(Planes& image, double factor, const PixelKernels& kernels = pixel_kernels());
/// Blends every pixel with its luma.
void adjust_saturation(Planes& image, double factor, const PixelKernels& kernels = pixel_kernels());
/// trunc(255 * factor) modulo 256; factor in [-0.5, 0.5].
std::uint8_t hue_steps(double factor);
/// Turns the hue of the 8-bit HSV form by hue_steps(factor) steps of 256.
void adjust_hue(Planes& image, double factor, const PixelKernels& kernels = pixel_kernels());

/// Replaces all channels by the luma (19595 R + 38470 G + 7471 B + 32768) >> 16 (ITU-R 601-2).
void to_grayscale(Planes& image, const PixelKernels& kernels = pixel_kernels());

}  // namespace msn
