// SPDX-License-Identifier: Apache-2.0
#include "data/blur.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "data/clones.hpp"

namespace msn {

namespace {

constexpr int passes = 3;

/// Weights of a box of 2 * whole + 1 pixels and of the one pixel beyond each of its ends, in units of 2^-24.
struct Box {
  int whole = 0;
  std::uint32_t inside = 0;
  std::uint32_t ends = 0;
};

Box box_of(float radius) {
  const double variance = static_cast<double>(radius) * radius / passes;
  const double length = std::sqrt(12.0 * variance + 1.0);
  const double l = std::floor((length - 1.0) / 2.0);
  const double a = (2 * l + 1) * (l * (l + 1) - 3 * variance) / (6 * (variance - (l + 1) * (l + 1)));
  const auto extended = static_cast<float>(l + a);
  Box box;
  box.whole = static_cast<int>(extended);
  box.inside = static_cast<std::uint32_t>(static_cast<float>(1 << 24) / (extended * 2 + 1));
  box.ends = ((1u << 24) - static_cast<std::uint32_t>(2 * box.whole + 1) * box.inside) / 2;
  return box;
}

std::uint8_t weighted(const Box& box, std::uint32_t inside, std::uint32_t ends) {
  return static_cast<std::uint8_t>((box.inside * inside + box.ends * ends + (1u << 23)) >> 24);
}

/// One output row from the rows at distances -whole - 1 to whole + 1; along a row these are the row itself, shifted.
MSN_CLONES void filter_row(const std::uint8_t* const* rows, std::size_t n, const Box& box, std::uint8_t* out) {
  const Box b = box;
  if (b.whole == 0) {
    const std::uint8_t *left = rows[0], *middle = rows[1], *right = rows[2];
    for (std::size_t i = 0; i < n; ++i)
      out[i] = weighted(b, middle[i], std::uint32_t{left[i]} + right[i]);
    return;
  }
  if (b.whole == 1) {
    const std::uint8_t *far_left = rows[0], *left = rows[1], *middle = rows[2], *right = rows[3], *far_right = rows[4];
    for (std::size_t i = 0; i < n; ++i) {
      out[i] = weighted(b, std::uint32_t{left[i]} + middle[i] + right[i], std::uint32_t{far_left[i]} + far_right[i]);
    }
    return;
  }
  const int last = 2 * b.whole + 2;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t inside = 0;
    for (int d = 1; d < last; ++d)
      inside += rows[d][i];
    out[i] = weighted(b, inside, std::uint32_t{rows[0][i]} + rows[last][i]);
  }
}

void filter_along_rows(std::span<std::uint8_t> values, std::size_t width, const Box& box) {
  const auto reach = static_cast<std::size_t>(box.whole) + 1;
  std::vector<std::uint8_t> padded(width + 2 * reach);
  std::vector<const std::uint8_t*> shifted(2 * reach + 1);
  for (std::size_t d = 0; d < shifted.size(); ++d)
    shifted[d] = padded.data() + d;
  for (std::size_t at = 0; at < values.size(); at += width) {
    std::uint8_t* row = values.data() + at;
    for (int pass = 0; pass < passes; ++pass) {
      std::memset(padded.data(), row[0], reach);
      std::memcpy(padded.data() + reach, row, width);
      std::memset(padded.data() + reach + width, row[width - 1], reach);
      filter_row(shifted.data(), width, box, row);
    }
  }
}

void filter_along_columns(std::span<std::uint8_t> plane, std::size_t width, const Box& box) {
  const auto height = static_cast<int>(plane.size() / width);
  const int reach = box.whole + 1;
  std::vector<std::uint8_t> other(plane.size());
  std::vector<const std::uint8_t*> rows(static_cast<std::size_t>(2 * reach + 1));
  std::uint8_t* from = plane.data();
  std::uint8_t* to = other.data();
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < height; ++y) {
      for (int d = -reach; d <= reach; ++d) {
        rows[static_cast<std::size_t>(d + reach)] =
            from + static_cast<std::size_t>(std::clamp(y + d, 0, height - 1)) * width;
      }
      filter_row(rows.data(), width, box, to + static_cast<std::size_t>(y) * width);
    }
    std::swap(from, to);
  }
  if (from != plane.data()) std::memcpy(plane.data(), from, plane.size());
}

}  // namespace

void gaussian_blur(Planes& image, float radius) {
  if (radius <= 0.0f || image.values.empty()) return;
  const Box box = box_of(radius);
  const auto width = static_cast<std::size_t>(image.width);
  filter_along_rows(image.values, width, box);
  for (std::size_t c = 0; c < 3; ++c)
    filter_along_columns(image.plane(c), width, box);
}

}  // namespace msn
