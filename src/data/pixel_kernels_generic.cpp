// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstring>

#include "data/pixel_kernels.hpp"

namespace msn {

namespace {

using kernels::blend;
using kernels::luma;

void split_and_turn(const std::uint8_t* const* rows, std::size_t columns, std::uint8_t* const* channels) {
  for (std::size_t r = 0; r < turned_rows; ++r) {
    for (std::size_t x = 0; x < columns; ++x) {
      for (std::size_t c = 0; c < 3; ++c)
        channels[c][x * turned_rows + r] = rows[r][3 * x + c];
    }
  }
}

void turn(const std::uint8_t* const* rows, std::size_t columns, std::uint8_t* turned) {
  for (std::size_t r = 0; r < turned_rows; ++r) {
    for (std::size_t x = 0; x < columns; ++x)
      turned[x * turned_rows + r] = rows[r][x];
  }
}

void unturn(const std::uint8_t* turned, std::size_t columns, std::uint8_t* rows, std::size_t stride,
            std::size_t count) {
  for (std::size_t r = 0; r < count; ++r) {
    for (std::size_t x = 0; x < columns; ++x)
      rows[r * stride + x] = turned[x * turned_rows + r];
  }
}

void weigh(const std::uint8_t* const* in, std::size_t in_stride, std::uint8_t* const* out, std::ptrdiff_t out_stride,
           const Taps& taps) {
  std::ptrdiff_t to = 0;
  for (std::size_t o = 0; o < taps.first.size(); ++o, to += out_stride) {
    for (std::size_t half = 0; half < 2; ++half) {
      const std::uint8_t* from = in[half] + static_cast<std::size_t>(taps.first[o]) * in_stride;
      std::int32_t sum[turned_rows];
      std::fill(std::begin(sum), std::end(sum), kernels::resize_half);
      for (std::size_t i = 0; i < static_cast<std::size_t>(taps.pairs[o]); ++i) {
        const std::uint32_t low = taps.low[o * taps.most_pairs + i];
        const std::uint32_t high = taps.high[o * taps.most_pairs + i];
        for (int second = 0; second < 2; ++second, from += in_stride) {
          const auto part = [second](std::uint32_t pair) {
            return static_cast<std::int32_t>(static_cast<std::int16_t>(pair >> (16 * second)));
          };
          const std::int32_t weight = part(low) + part(high) * (1 << Taps::low_bits);
          for (std::size_t lane = 0; lane < turned_rows; ++lane)
            sum[lane] += weight * from[lane];
        }
      }
      for (std::size_t lane = 0; lane < turned_rows; ++lane)
        out[half][to + static_cast<std::ptrdiff_t>(lane)] = kernels::resized_level(sum[lane]);
    }
  }
}

std::uint64_t luma_sum(const std::uint8_t* const* planes, std::size_t n) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i)
    sum += luma(planes[0][i], planes[1][i], planes[2][i]);
  return sum;
}

void grayscale(std::uint8_t* const* planes, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    planes[0][i] = planes[1][i] = planes[2][i] = luma(planes[0][i], planes[1][i], planes[2][i]);
}

void blend_constant(std::uint8_t* levels, std::size_t n, int degenerate, float factor) {
  std::array<std::uint8_t, 256> table;
  for (std::size_t level = 0; level < table.size(); ++level)
    table[level] = blend(degenerate, static_cast<int>(level), factor);
  for (std::size_t i = 0; i < n; ++i)
    levels[i] = table[levels[i]];
}

void blend_luma(std::uint8_t* const* planes, std::size_t n, float factor) {
  for (std::size_t i = 0; i < n; ++i) {
    const int gray = luma(planes[0][i], planes[1][i], planes[2][i]);
    for (std::size_t c = 0; c < 3; ++c)
      planes[c][i] = blend(gray, planes[c][i], factor);
  }
}

void shift_hue(std::uint8_t* const* planes, std::size_t n, std::uint8_t shift) {
  for (std::size_t i = 0; i < n; ++i) {
    const kernels::Pixel rgb = kernels::shift_hue({{planes[0][i], planes[1][i], planes[2][i]}}, shift);
    for (std::size_t c = 0; c < 3; ++c)
      planes[c][i] = rgb.levels[c];
  }
}

void blur(const std::uint8_t* in, std::size_t in_stride, std::uint8_t* out, std::size_t out_stride, std::size_t n,
          const BoxFilter& box) {
  std::vector<std::uint8_t> before(n * turned_rows), after(n * turned_rows);
  for (std::size_t i = 0; i < n; ++i)
    std::memcpy(after.data() + i * turned_rows, in + i * in_stride, turned_rows);
  for (int pass = 0; pass < blur_passes; ++pass) {
    before.swap(after);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t lane = 0; lane < turned_rows; ++lane) {
        const auto level = [&](int step) { return before[static_cast<std::size_t>(step) * turned_rows + lane]; };
        after[i * turned_rows + lane] = kernels::box_filtered(box, static_cast<int>(i), static_cast<int>(n), level);
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i)
    std::memcpy(out + i * out_stride, after.data() + i * turned_rows, turned_rows);
}

}  // namespace

const PixelKernels& generic_pixel_kernels() {
  static constexpr PixelKernels kernels{"generic", split_and_turn, turn,       unturn,    weigh, luma_sum,
                                        grayscale, blend_constant, blend_luma, shift_hue, blur};
  return kernels;
}

}  // namespace msn
