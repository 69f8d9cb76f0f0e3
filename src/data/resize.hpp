// SPDX-License-Identifier: Apache-2.0
// Crop and resize with Pillow's arithmetic on 8-bit pixels, bit for bit.
#pragma once

#include "config/config.hpp"
#include "data/image.hpp"

namespace msn {

/// A rectangle of pixels inside an image.
struct CropBox {
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
  bool operator==(const CropBox&) const = default;
};

/// Cuts `box` out of `image` and resizes it to width x height. The filter sees no pixel outside the box. A pass along
/// an axis whose size does not change is left out. `box` must lie inside the image.
Planes resized_crop(const Image& image, const CropBox& box, int width, int height, Interpolation interpolation,
                    ResizeOrder order);

/// The evaluation view: resizes so that the short side has `resize` pixels (the long one is rounded down), then cuts
/// crop x crop pixels from the centre (an odd margin is rounded half to even). crop <= resize.
Planes resize_and_centre_crop(const Image& image, int resize, int crop, Interpolation interpolation, ResizeOrder order);

}  // namespace msn
