// SPDX-License-Identifier: Apache-2.0
#include "data/blur.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace msn {

BoxFilter box_of(float radius) {
  const double variance = static_cast<double>(radius) * radius / blur_passes;
  const double length = std::sqrt(12.0 * variance + 1.0);
  const double l = std::floor((length - 1.0) / 2.0);
  const double a = (2 * l + 1) * (l * (l + 1) - 3 * variance) / (6 * (variance - (l + 1) * (l + 1)));
  const auto extended = static_cast<float>(l + a);
  BoxFilter box;
  box.whole = static_cast<int>(extended);
  box.inside = static_cast<std::uint32_t>(static_cast<float>(1 << 24) / (extended * 2 + 1));
  box.ends = ((1u << 24) - static_cast<std::uint32_t>(2 * box.whole + 1) * box.inside) / 2;
  return box;
}

void GaussianBlur::operator()(Planes& image, float radius) {
  if (radius <= 0.0f || image.pixels() == 0) return;
  const BoxFilter box = box_of(radius);
  const auto width = static_cast<std::size_t>(image.width());
  const auto height = static_cast<std::size_t>(image.height());
  turned_.resize((width + turned_rows) * turned_rows);
  blurred_.resize(turned_.size());
  rows_.resize(width * height + pixel_slack);
  for (std::size_t c = 0; c < 3; ++c) {
    std::uint8_t* plane = image.plane(c).data();
    for (std::size_t top = 0; top < height; top += turned_rows) {
      std::array<const std::uint8_t*, turned_rows> rows;
      for (std::size_t r = 0; r < turned_rows; ++r)
        rows[r] = plane + std::min(top + r, height - 1) * width;
      kernels_->turn(rows.data(), width, turned_.data());
      kernels_->blur(turned_.data(), turned_rows, blurred_.data(), turned_rows, width, box);
      kernels_->unturn(blurred_.data(), width, rows_.data() + top * width, width, std::min(turned_rows, height - top));
    }
    // The last columns first: what they write beyond a row belongs to the next one.
    for (std::size_t left = (width - 1) / turned_rows * turned_rows;; left -= turned_rows) {
      kernels_->blur(rows_.data() + left, width, plane + left, width, height, box);
      if (left == 0) break;
    }
  }
}

}  // namespace msn
