// SPDX-License-Identifier: Apache-2.0
// Crop and resize with Pillow's arithmetic on 8-bit pixels, bit for bit.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "data/image.hpp"
#include "data/pixel_kernels.hpp"
#include "data/resize_axis.hpp"

namespace msn {

/// A rectangle of pixels inside an image.
struct CropBox {
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;
  bool operator==(const CropBox&) const = default;
};

/// What a crop becomes.
struct ResizeTo {
  int width = 0;
  int height = 0;
  Interpolation interpolation = Interpolation::bilinear;
  ResizeOrder order = ResizeOrder::horizontal;
  bool flip = false;  ///< Left and right are exchanged.
};

/// Whether the pass along columns is the first one: both are needed and ResizeOrder says so.
bool goes_vertically_first(const CropBox& box, const ResizeTo& to);

/// Cuts and resizes again and again in the same memory. One thread at a time.
class Resizer {
 public:
  explicit Resizer(const PixelKernels& kernels = pixel_kernels()) : kernels_(&kernels) {}

  /// Cuts `box` out of `image` and resizes it. The filter sees no pixel outside the box. A pass along an axis whose
  /// size does not change is left out. `box` must lie inside the image.
  void resized_crop(const TurnedImage& image, const CropBox& box, const ResizeTo& to, Planes& out);

 private:
  void horizontal_first(const TurnedImage& image, const CropBox& box, const ResizeTo& to, Planes& out);
  void vertical_first(const TurnedImage& image, const CropBox& box, const ResizeTo& to, Planes& out);
  void weigh_rows(const std::uint8_t* in, std::uint8_t* out, std::size_t width);
  void weigh_columns(const std::array<const std::uint8_t*, 2>& in, std::size_t width, bool flip);

  const PixelKernels* kernels_;
  Taps horizontal_;
  Taps vertical_;
  ResizeAxis axis_;
  std::vector<std::int32_t> weights_;    ///< Of one output position.
  std::vector<std::uint8_t> rows_;       ///< Between the passes, row-major.
  std::vector<std::uint8_t> weighed_;    ///< After a vertical pass that comes first.
  std::vector<std::uint8_t> turned_in_;  ///< Two blocks of turned columns before a horizontal pass that comes last.
  std::vector<std::uint8_t> columns_;    ///< Two blocks of turned columns after the horizontal pass.
  std::array<std::uint8_t*, 2> turned_{};
};

/// Resizer::resized_crop of one image.
Planes resized_crop(const Image& image, const CropBox& box, const ResizeTo& to);

/// The evaluation view: resizes so that the short side has `resize` pixels (the long one is rounded down), then cuts
/// crop x crop pixels from the centre (an odd margin is rounded half to even). crop <= resize.
Planes resize_and_centre_crop(const Image& image, int resize, int crop, Interpolation interpolation, ResizeOrder order);

}  // namespace msn
