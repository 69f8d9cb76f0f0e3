// SPDX-License-Identifier: Apache-2.0
#include "data/hsv.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace msn {

Triple rgb_to_hsv(const Triple& rgb) {
  const auto [r, g, b] = rgb;
  const std::uint8_t high = std::max({r, g, b});
  const std::uint8_t low = std::min({r, g, b});
  if (high == low) return {0, 0, high};
  const auto range = static_cast<float>(high - low);
  const float share = range / static_cast<float>(high);
  const float rc = static_cast<float>(high - r) / range;
  const float gc = static_cast<float>(high - g) / range;
  const float bc = static_cast<float>(high - b) / range;
  float sector;
  if (r == high) {
    sector = bc - gc;
  } else if (g == high) {
    sector = static_cast<float>(2.0 + static_cast<double>(rc) - static_cast<double>(bc));
  } else {
    sector = static_cast<float>(4.0 + static_cast<double>(gc) - static_cast<double>(rc));
  }
  const auto hue = static_cast<float>(std::fmod(static_cast<double>(sector) / 6.0 + 1.0, 1.0));
  return {static_cast<std::uint8_t>(static_cast<double>(hue) * 255.0),
          static_cast<std::uint8_t>(static_cast<double>(share) * 255.0), high};
}

/// A channel is V (1 - S w) with a weight w that rises and falls linearly with H over sixths of the circle: 0 in the
/// two sixths around the channel's own hue, 1 in the two opposite. 85 w is an integer, so all of it is: Pillow's
/// float32 gives the same for all 2^24 inputs.
Triple hsv_to_rgb(const Triple& hsv) {
  const auto [h, s, v] = hsv;
  const auto channel = [&, s = s, v = v](int weight) {
    constexpr int whole = 255 * 85;
    return static_cast<std::uint8_t>((2 * (v * whole - v * s * std::clamp(weight, 0, 85)) + whole) / (2 * whole));
  };
  return {channel(170 - std::abs(2 * h - 255)), channel(std::abs(2 * h - 170) - 85),
          channel(std::abs(2 * h - 340) - 85)};
}

}  // namespace msn
