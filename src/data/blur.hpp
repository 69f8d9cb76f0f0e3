// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/image.hpp"

namespace msn {

/// Pillow's GaussianBlur with a radius (standard deviation) in pixels, bit for bit, in place: three extended box
/// filters along rows, then three along columns, each rounded to 8 bits (Gwosdek et al., "Theoretical foundations of
/// Gaussian convolution by extended box filtering", SSVM 2011). Radius >= 0.
void gaussian_blur(Planes& image, float radius);

}  // namespace msn
