// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "data/image.hpp"

namespace msn {

/// Where an output pixel (x, y), at its centre, comes from: (a x + b y + c, d x + e y + f).
struct AffineMap {
  double a = 1, b = 0, c = 0, d = 0, e = 1, f = 0;
};

/// A rotation about the centre by `degrees` against the clock.
AffineMap rotation(double degrees, int width, int height);

/// Pillow's Image.transform with AFFINE and BICUBIC (a = -1), bit for bit: to the same size; what lies outside becomes
/// `fill`.
Planes transform_bicubic(const Planes& image, const AffineMap& map, const std::array<std::uint8_t, 3>& fill);

}  // namespace msn
