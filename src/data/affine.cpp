// SPDX-License-Identifier: Apache-2.0
#include "data/affine.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace msn {
namespace {

/// Between v[1] and v[2] at `at` in [0, 1), with Pillow's coefficients and order of operations.
double cubic(const std::array<double, 4>& v, double at) {
  const double p1 = v[1];
  const double p2 = -v[0] + v[2];
  const double p3 = 2 * (v[0] - v[1]) + v[2] - v[3];
  const double p4 = -v[0] + v[1] - v[2] + v[3];
  return p1 + at * (p2 + at * (p3 + at * p4));
}

std::uint8_t level(double value) {
  return value <= 0 ? 0 : value >= 255 ? 255 : static_cast<std::uint8_t>(value);
}

/// Sine and cosine as Pillow rounds them.
double to_15_digits(double value) {
  return std::nearbyint(value * 1e15) / 1e15;
}

}  // namespace

AffineMap rotation(double degrees, int width, int height) {
  double turned = std::fmod(degrees, 360.0);
  if (turned < 0) turned += 360.0;
  if (turned == 0) return {};
  const double angle = -turned * (std::numbers::pi / 180.0);
  const double x = width / 2.0, y = height / 2.0;
  AffineMap map{to_15_digits(std::cos(angle)),  to_15_digits(std::sin(angle)), 0,
                to_15_digits(-std::sin(angle)), to_15_digits(std::cos(angle)), 0};
  map.c = map.a * -x + map.b * -y + x;
  map.f = map.d * -x + map.e * -y + y;
  return map;
}

Planes transform_bicubic(const Planes& image, const AffineMap& map, const std::array<std::uint8_t, 3>& fill) {
  const int width = image.width(), height = image.height();
  Planes out;
  out.reshape(width, height);
  for (int row = 0; row < height; ++row) {
    for (int column = 0; column < width; ++column) {
      const double x = map.a * (column + 0.5) + map.b * (row + 0.5) + map.c;
      const double y = map.d * (column + 0.5) + map.e * (row + 0.5) + map.f;
      const auto place =
          static_cast<std::size_t>(row) * static_cast<std::size_t>(width) + static_cast<std::size_t>(column);
      if (x < 0 || x >= width || y < 0 || y >= height) {
        for (std::size_t c = 0; c < 3; ++c)
          out.plane(c)[place] = fill[c];
        continue;
      }
      const double left = std::floor(x - 0.5), top = std::floor(y - 0.5);
      const double dx = x - 0.5 - left, dy = y - 0.5 - top;
      std::array<std::size_t, 4> columns{};
      for (int i = 0; i < 4; ++i)
        columns[static_cast<std::size_t>(i)] =
            static_cast<std::size_t>(std::clamp(static_cast<int>(left) - 1 + i, 0, width - 1));
      for (std::size_t c = 0; c < 3; ++c) {
        const auto plane = image.plane(c);
        std::array<double, 4> of_rows{};
        for (int i = 0; i < 4; ++i) {
          const auto line = static_cast<std::size_t>(std::clamp(static_cast<int>(top) - 1 + i, 0, height - 1)) *
                            static_cast<std::size_t>(width);
          const std::array<double, 4> values{
              static_cast<double>(plane[line + columns[0]]), static_cast<double>(plane[line + columns[1]]),
              static_cast<double>(plane[line + columns[2]]), static_cast<double>(plane[line + columns[3]])};
          of_rows[static_cast<std::size_t>(i)] = cubic(values, dx);
        }
        out.plane(c)[place] = level(cubic(of_rows, dy));
      }
    }
  }
  return out;
}

}  // namespace msn
