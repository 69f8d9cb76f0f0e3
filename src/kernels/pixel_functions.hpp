// SPDX-License-Identifier: Apache-2.0
// What the views do to a single pixel, once for processors and GPUs: the same bits on both. Nothing here may be
// contracted to fused multiply-adds (-ffp-contract=off, nvcc --fmad=false).
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define MSN_HOST_DEVICE __host__ __device__
#else
#define MSN_HOST_DEVICE
#endif

namespace msn::kernels {

/// Three 8-bit levels: red, green, blue, or hue, saturation, value.
struct Pixel {
  std::uint8_t levels[3];
};

/// ITU-R 601-2 in 16 fractional bits, as Pillow has it.
MSN_HOST_DEVICE inline std::uint8_t luma(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  return static_cast<std::uint8_t>((19595u * red + 38470u * green + 7471u * blue + 32768u) >> 16);
}

/// The mean luma of `pixels` pixels, rounded, from the sum of theirs.
MSN_HOST_DEVICE inline int mean_luma(std::uint64_t sum, std::uint64_t pixels) {
  return static_cast<int>(static_cast<double>(sum) / static_cast<double>(pixels) + 0.5);
}

/// Pillow's blend in float32, product and sum rounded one by one, then truncated and kept within 0 to 255.
MSN_HOST_DEVICE inline std::uint8_t blend(int degenerate, int level, float factor) {
  const float value = static_cast<float>(degenerate) + factor * static_cast<float>(level - degenerate);
  return value <= 0.0f ? 0 : value >= 255.0f ? 255 : static_cast<std::uint8_t>(value);
}

/// Pillow's 8-bit HSV. Quotients are float32 and three sums and products double, as in Pillow's C source, where the
/// constants are doubles: in float32 alone the hue of 72,036 of the 2^24 colours is off by one.
MSN_HOST_DEVICE inline Pixel rgb_to_hsv(Pixel rgb) {
  const std::uint8_t r = rgb.levels[0], g = rgb.levels[1], b = rgb.levels[2];
  const std::uint8_t more = r > g ? r : g, less = r > g ? g : r;
  const std::uint8_t high = more > b ? more : b, low = less < b ? less : b;
  if (high == low) return {{0, 0, high}};
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
  // Modulo 1 of a number from 5/6 to 11/6: the difference is exact.
  const double turns = static_cast<double>(sector) / 6.0 + 1.0;
  const auto hue = static_cast<float>(turns >= 1.0 ? turns - 1.0 : turns);
  return {{static_cast<std::uint8_t>(static_cast<double>(hue) * 255.0),
           static_cast<std::uint8_t>(static_cast<double>(share) * 255.0), high}};
}

/// A channel is V (1 - S w) with a weight w that rises and falls linearly with H over sixths of the circle: 0 in the
/// two sixths around the channel's own hue, 1 in the two opposite. 85 w is an integer, so all of it is: Pillow's
/// float32 gives the same for all 2^24 inputs.
MSN_HOST_DEVICE inline Pixel hsv_to_rgb(Pixel hsv) {
  const int h = hsv.levels[0], s = hsv.levels[1], v = hsv.levels[2];
  const auto distance = [](int a, int b) { return a > b ? a - b : b - a; };
  const auto channel = [s, v](int weight) {
    constexpr int whole = 255 * 85;
    const int w = weight < 0 ? 0 : weight > 85 ? 85 : weight;
    return static_cast<std::uint8_t>((2 * (v * whole - v * s * w) + whole) / (2 * whole));
  };
  return {
      {channel(170 - distance(2 * h, 255)), channel(distance(2 * h, 170) - 85), channel(distance(2 * h, 340) - 85)}};
}

/// To 8-bit HSV, `shift` added to the hue modulo 256, and back.
MSN_HOST_DEVICE inline Pixel shift_hue(Pixel rgb, std::uint8_t shift) {
  Pixel hsv = rgb_to_hsv(rgb);
  hsv.levels[0] = static_cast<std::uint8_t>(hsv.levels[0] + shift);
  return hsv_to_rgb(hsv);
}

/// A resize adds weights in units of 2^-resize_bits times levels to resize_half.
inline constexpr int resize_bits = 22;
inline constexpr std::int32_t resize_half = 1 << (resize_bits - 1);

/// The level of such a sum, kept within 0 to 255.
MSN_HOST_DEVICE inline std::uint8_t resized_level(std::int32_t sum) {
  const std::int32_t level = sum >> resize_bits;
  return static_cast<std::uint8_t>(level < 0 ? 0 : level > 255 ? 255 : level);
}

/// Extended box filter: weights of 2 whole + 1 pixels and of the one pixel beyond each of their ends, in units of
/// 2^-24.
struct BoxFilter {
  int whole = 0;
  std::uint32_t inside = 0;
  std::uint32_t ends = 0;
};

/// Times that a blur applies its box filter along an axis, each rounded to 8 bits.
inline constexpr int blur_passes = 3;

/// The filtered level at `at` of `count` levels; level(i) gives the one at i. Edges are repeated.
template <class Level>
MSN_HOST_DEVICE inline std::uint8_t box_filtered(const BoxFilter& box, int at, int count, const Level& level) {
  const auto inside_edges = [count](int i) { return i < 0 ? 0 : i >= count ? count - 1 : i; };
  std::uint32_t inside = 0;
  for (int i = at - box.whole; i <= at + box.whole; ++i)
    inside += level(inside_edges(i));
  const std::uint32_t before = level(inside_edges(at - box.whole - 1));
  const std::uint32_t after = level(inside_edges(at + box.whole + 1));
  return static_cast<std::uint8_t>((box.inside * inside + box.ends * (before + after) + (1u << 23)) >> 24);
}

}  // namespace msn::kernels
