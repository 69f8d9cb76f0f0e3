// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "data/image.hpp"
#include "data/pixel_kernels.hpp"

namespace msn {

/// The filter whose repeated passes stand in for a Gaussian of this radius (standard deviation) > 0 in pixels.
BoxFilter box_of(float radius);

/// Pillow's GaussianBlur, bit for bit: three extended box filters along rows, then three along columns, each rounded to
/// 8 bits (Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box filtering", SSVM 2011).
/// Blurs again and again in the same memory. One thread at a time.
class GaussianBlur {
 public:
  explicit GaussianBlur(const PixelKernels& kernels = pixel_kernels()) : kernels_(&kernels) {}

  /// In place, with a radius (standard deviation) >= 0 in pixels.
  void operator()(Planes& image, float radius);

 private:
  const PixelKernels* kernels_;
  std::vector<std::uint8_t> turned_;   ///< A block of turned columns.
  std::vector<std::uint8_t> blurred_;  ///< The same after the passes along rows.
  std::vector<std::uint8_t> rows_;     ///< A plane after the passes along rows.
};

}  // namespace msn
