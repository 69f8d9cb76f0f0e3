// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstring>

#include "data/hsv.hpp"
#include "data/pixel_kernels.hpp"

namespace msn {

namespace {

std::uint8_t luma(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}

/// Pillow's blend in float32, product and sum rounded one by one, then truncated.
std::uint8_t blend(int degenerate, int level, float factor) {
  const float value = static_cast<float>(degenerate) + factor * static_cast<float>(level - degenerate);
  return value <= 0.0f ? 0 : value >= 255.0f ? 255 : static_cast<std::uint8_t>(value);
}

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
      std::fill(std::begin(sum), std::end(sum), 1 << (Taps::fraction_bits - 1));
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
        out[half][to + static_cast<std::ptrdiff_t>(lane)] =
            static_cast<std::uint8_t>(std::clamp(sum[lane] >> Taps::fraction_bits, 0, 255));
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
    Triple hsv = rgb_to_hsv({planes[0][i], planes[1][i], planes[2][i]});
    hsv[0] = static_cast<std::uint8_t>(hsv[0] + shift);
    const Triple rgb = hsv_to_rgb(hsv);
    for (std::size_t c = 0; c < 3; ++c)
      planes[c][i] = rgb[c];
  }
}

void blur(const std::uint8_t* in, std::size_t in_stride, std::uint8_t* out, std::size_t out_stride, std::size_t n,
          const BoxFilter& box) {
  const auto last = static_cast<std::ptrdiff_t>(n) - 1;
  std::vector<std::uint8_t> before(n * turned_rows), after(n * turned_rows);
  for (std::size_t i = 0; i < n; ++i)
    std::memcpy(after.data() + i * turned_rows, in + i * in_stride, turned_rows);
  for (int pass = 0; pass < blur_passes; ++pass) {
    before.swap(after);
    for (std::ptrdiff_t i = 0; i <= last; ++i) {
      const auto level = [&](std::ptrdiff_t step, std::size_t lane) {
        return std::uint32_t{
            before[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(step, 0, last)) * turned_rows + lane]};
      };
      for (std::size_t lane = 0; lane < turned_rows; ++lane) {
        std::uint32_t inside = 0;
        for (std::ptrdiff_t d = -box.whole; d <= box.whole; ++d)
          inside += level(i + d, lane);
        const std::uint32_t ends = level(i - box.whole - 1, lane) + level(i + box.whole + 1, lane);
        after[static_cast<std::size_t>(i) * turned_rows + lane] =
            static_cast<std::uint8_t>((box.inside * inside + box.ends * ends + (1u << 23)) >> 24);
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
