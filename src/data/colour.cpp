// SPDX-License-Identifier: Apache-2.0
#include "data/colour.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#include "data/clones.hpp"

namespace msn {

namespace {

/// Pillow's blend in float32, product and sum rounded one by one, then truncated.
std::uint8_t blend(float degenerate, float level, float factor) {
  const float value = degenerate + factor * (level - degenerate);
  return value <= 0.0f ? 0 : value >= 255.0f ? 255 : static_cast<std::uint8_t>(value);
}

/// Every level blended with one constant: a table does.
void blend_with(Planes& image, int degenerate, float factor) {
  std::array<std::uint8_t, 256> table;
  for (std::size_t level = 0; level < 256; ++level) {
    table[level] = blend(static_cast<float>(degenerate), static_cast<float>(level), factor);
  }
  for (std::uint8_t& value : image.values)
    value = table[value];
}

MSN_CLONES void luma_of(const std::uint8_t* red, const std::uint8_t* green, const std::uint8_t* blue, std::size_t n,
                        std::uint8_t* out) {
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = static_cast<std::uint8_t>((19595u * red[i] + 38470u * green[i] + 7471u * blue[i] + 32768u) >> 16);
  }
}

MSN_CLONES void blend_planes(const std::uint8_t* degenerate, std::uint8_t* levels, std::size_t n, float factor) {
  for (std::size_t i = 0; i < n; ++i) {
    const float base = static_cast<float>(static_cast<int>(degenerate[i]));
    const float value =
        base + factor * static_cast<float>(static_cast<int>(levels[i]) - static_cast<int>(degenerate[i]));
    const float kept = std::min(std::max(value, 0.0f), 255.0f);
    levels[i] = static_cast<std::uint8_t>(static_cast<int>(kept));
  }
}

// Eight pixels at once; the compiler does not vectorise these loops by itself. Between bytes and integers stand 16
// bits, because it has no direct conversion.
using Bytes8 [[gnu::vector_size(8)]] = std::uint8_t;
using Shorts8 [[gnu::vector_size(16)]] = std::uint16_t;
using Ints8 [[gnu::vector_size(32)]] = std::int32_t;
using Floats8 [[gnu::vector_size(32)]] = float;
using Doubles8 [[gnu::vector_size(64)]] = double;
constexpr std::size_t lanes = 8;

/// Red, green and blue become hue, saturation and value. The quotients are float32 and three sums and products double,
/// as in Pillow's C source, where the constants are doubles: in float32 alone the hue of 72,036 colours is off by one.
MSN_CLONES void rgb_to_hsv_blocks(std::uint8_t* first, std::uint8_t* second, std::uint8_t* third, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) {
    Bytes8 bytes[3];
    std::memcpy(&bytes[0], first + lanes * b, lanes);
    std::memcpy(&bytes[1], second + lanes * b, lanes);
    std::memcpy(&bytes[2], third + lanes * b, lanes);
    const Ints8 r = __builtin_convertvector(__builtin_convertvector(bytes[0], Shorts8), Ints8);
    const Ints8 g = __builtin_convertvector(__builtin_convertvector(bytes[1], Shorts8), Ints8);
    const Ints8 b_ = __builtin_convertvector(__builtin_convertvector(bytes[2], Shorts8), Ints8);
    const Ints8 rg_max = r > g ? r : g;
    const Ints8 rg_min = r < g ? r : g;
    const Ints8 high = rg_max > b_ ? rg_max : b_;
    const Ints8 low = rg_min < b_ ? rg_min : b_;
    const Ints8 range = high - low;
    // A grey pixel has no hue and no saturation: any divisor but 0 does.
    const Ints8 divisor = range == 0 ? Ints8{} + 1 : range;
    const Floats8 range_f = __builtin_convertvector(divisor, Floats8);
    const Ints8 high_or_1 = high == 0 ? Ints8{} + 1 : high;
    const Floats8 share = __builtin_convertvector(range, Floats8) / __builtin_convertvector(high_or_1, Floats8);
    const Ints8 saturation = __builtin_convertvector(255.0 * __builtin_convertvector(share, Doubles8), Ints8);
    const Floats8 rc = __builtin_convertvector(high - r, Floats8) / range_f;
    const Floats8 gc = __builtin_convertvector(high - g, Floats8) / range_f;
    const Floats8 bc = __builtin_convertvector(high - b_, Floats8) / range_f;
    const Doubles8 rd = __builtin_convertvector(rc, Doubles8);
    const Doubles8 gd = __builtin_convertvector(gc, Doubles8);
    const Doubles8 bd = __builtin_convertvector(bc, Doubles8);
    const Floats8 from_green = __builtin_convertvector(2.0 + rd - bd, Floats8);
    const Floats8 from_blue = __builtin_convertvector(4.0 + gd - rd, Floats8);
    const Floats8 sector = r == high ? bc - gc : g == high ? from_green : from_blue;
    // fmod(sector / 6 + 1, 1) of a number in [5/6, 2): minus 1 where it is 1 or more.
    const Doubles8 turned = __builtin_convertvector(sector, Doubles8) / 6.0 + 1.0;
    const Doubles8 wrapped = turned >= 1.0 ? turned - 1.0 : turned;
    const Floats8 hue_f = __builtin_convertvector(wrapped, Floats8);
    const Ints8 hue_any = __builtin_convertvector(__builtin_convertvector(hue_f, Doubles8) * 255.0, Ints8);
    const Ints8 hue = range == 0 ? Ints8{} : hue_any;
    bytes[0] = __builtin_convertvector(__builtin_convertvector(hue, Shorts8), Bytes8);
    bytes[1] = __builtin_convertvector(__builtin_convertvector(saturation, Shorts8), Bytes8);
    bytes[2] = __builtin_convertvector(__builtin_convertvector(high, Shorts8), Bytes8);
    std::memcpy(first + lanes * b, &bytes[0], lanes);
    std::memcpy(second + lanes * b, &bytes[1], lanes);
    std::memcpy(third + lanes * b, &bytes[2], lanes);
  }
}

/// Float32 is exact here for all 2^24 inputs.
MSN_CLONES void hsv_to_rgb_blocks(std::uint8_t* first, std::uint8_t* second, std::uint8_t* third, std::size_t blocks) {
  for (std::size_t b = 0; b < blocks; ++b) {
    Bytes8 bytes[3];
    std::memcpy(&bytes[0], first + lanes * b, lanes);
    std::memcpy(&bytes[1], second + lanes * b, lanes);
    std::memcpy(&bytes[2], third + lanes * b, lanes);
    const Floats8 turned =
        __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(bytes[0], Shorts8), Ints8), Floats8) *
        6.0f / 255.0f;
    const Floats8 s =
        __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(bytes[1], Shorts8), Ints8), Floats8) /
        255.0f;
    const Ints8 v = __builtin_convertvector(__builtin_convertvector(bytes[2], Shorts8), Ints8);
    const Floats8 value = __builtin_convertvector(v, Floats8);
    const Ints8 whole = __builtin_convertvector(turned, Ints8);
    const Floats8 f = turned - __builtin_convertvector(whole, Floats8);
    const Ints8 p = __builtin_convertvector(value * (1.0f - s) + 0.5f, Ints8);
    const Ints8 q = __builtin_convertvector(value * (1.0f - s * f) + 0.5f, Ints8);
    const Ints8 t = __builtin_convertvector(value * (1.0f - s * (1.0f - f)) + 0.5f, Ints8);
    const Ints8 sector = whole == 6 ? Ints8{} : whole;
    // (v,t,p), (q,v,p), (p,v,t), (p,q,v), (t,p,v), (v,p,q) for sectors 0 to 5. Without saturation p = q = t = v.
    const Ints8 red = (sector == 0) | (sector == 5) ? v : sector == 1 ? q : sector == 4 ? t : p;
    const Ints8 green = (sector == 1) | (sector == 2) ? v : sector == 0 ? t : sector == 3 ? q : p;
    const Ints8 blue = (sector == 3) | (sector == 4) ? v : sector == 2 ? t : sector == 5 ? q : p;
    bytes[0] = __builtin_convertvector(__builtin_convertvector(red, Shorts8), Bytes8);
    bytes[1] = __builtin_convertvector(__builtin_convertvector(green, Shorts8), Bytes8);
    bytes[2] = __builtin_convertvector(__builtin_convertvector(blue, Shorts8), Bytes8);
    std::memcpy(first + lanes * b, &bytes[0], lanes);
    std::memcpy(second + lanes * b, &bytes[1], lanes);
    std::memcpy(third + lanes * b, &bytes[2], lanes);
  }
}

/// Runs a block function over the three planes; the pixels that fill no block go through a padded copy.
template <class Function>
void for_blocks(Planes& image, Function function) {
  const std::size_t n = image.pixels();
  const std::size_t blocks = n / lanes;
  const std::size_t rest = n - blocks * lanes;
  std::uint8_t* planes[3] = {image.plane(0).data(), image.plane(1).data(), image.plane(2).data()};
  function(planes[0], planes[1], planes[2], blocks);
  if (rest == 0) return;
  std::uint8_t tail[3][lanes] = {};
  for (std::size_t c = 0; c < 3; ++c)
    std::memcpy(tail[c], planes[c] + blocks * lanes, rest);
  function(tail[0], tail[1], tail[2], 1);
  for (std::size_t c = 0; c < 3; ++c)
    std::memcpy(planes[c] + blocks * lanes, tail[c], rest);
}

}  // namespace

void flip_horizontally(Planes& image) {
  const auto width = static_cast<std::ptrdiff_t>(image.width);
  if (width == 0) return;
  for (auto row = image.values.begin(); row != image.values.end(); row += width)
    std::reverse(row, row + width);
}

void adjust_brightness(Planes& image, double factor) {
  blend_with(image, 0, static_cast<float>(factor));
}

void adjust_contrast(Planes& image, double factor) {
  const std::vector<std::uint8_t> levels = luma(image);
  const std::uint64_t sum = std::accumulate(levels.begin(), levels.end(), std::uint64_t{0});
  const int mean = static_cast<int>(static_cast<double>(sum) / static_cast<double>(levels.size()) + 0.5);
  blend_with(image, mean, static_cast<float>(factor));
}

void adjust_saturation(Planes& image, double factor) {
  const std::vector<std::uint8_t> levels = luma(image);
  for (std::size_t c = 0; c < 3; ++c) {
    blend_planes(levels.data(), image.plane(c).data(), levels.size(), static_cast<float>(factor));
  }
}

void adjust_hue(Planes& image, double factor) {
  const auto shift = static_cast<std::uint8_t>(static_cast<int>(factor * 255));
  rgb_to_hsv(image);
  for (std::uint8_t& hue : image.plane(0))
    hue = static_cast<std::uint8_t>(hue + shift);
  hsv_to_rgb(image);
}

void to_grayscale(Planes& image) {
  const std::vector<std::uint8_t> levels = luma(image);
  for (std::size_t c = 0; c < 3; ++c)
    std::copy(levels.begin(), levels.end(), image.plane(c).begin());
}

void rgb_to_hsv(Planes& image) {
  for_blocks(image, rgb_to_hsv_blocks);
}

void hsv_to_rgb(Planes& image) {
  for_blocks(image, hsv_to_rgb_blocks);
}

std::vector<std::uint8_t> luma(const Planes& image) {
  std::vector<std::uint8_t> levels(image.pixels());
  luma_of(image.plane(0).data(), image.plane(1).data(), image.plane(2).data(), levels.size(), levels.data());
  return levels;
}

}  // namespace msn
