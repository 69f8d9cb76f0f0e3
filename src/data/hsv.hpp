// SPDX-License-Identifier: Apache-2.0
// Pillow's 8-bit HSV, a pixel at a time.
#pragma once

#include <array>
#include <cstdint>

namespace msn {

using Triple = std::array<std::uint8_t, 3>;

/// Quotients are float32 and three sums and products double, as in Pillow's C source, where the constants are doubles:
/// in float32 alone the hue of 72,036 of the 2^24 colours is off by one.
Triple rgb_to_hsv(const Triple& rgb);
Triple hsv_to_rgb(const Triple& hsv);

}  // namespace msn
