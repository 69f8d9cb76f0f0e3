// SPDX-License-Identifier: Apache-2.0
#include "data/pixel_kernels.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

// Every function here is compiled for AVX2 and FMA whatever the rest of the program is compiled for; nothing in this
// file may be called before avx2_pixel_kernels() has asked the processor. Fused multiply-adds stand only where they are
// written out.
#define MSN_AVX2 __attribute__((target("avx2,fma")))

namespace msn {

namespace {

constexpr std::size_t tile = turned_rows;

MSN_AVX2 inline __m128i load16(const std::uint8_t* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

MSN_AVX2 inline void store16(std::uint8_t* to, __m128i value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value);
}

/// 16 levels as 16-bit integers, and back (each within 0 to 255 or saturated to it).
MSN_AVX2 inline __m256i load_words(const std::uint8_t* from) {
  return _mm256_cvtepu8_epi16(load16(from));
}

MSN_AVX2 inline void store_words(std::uint8_t* to, __m256i words) {
  store16(to, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

/// The 16-bit numbers of the low and of the high half of each 128 bits, as float32; _mm256_packs_epi32 undoes the
/// split.
MSN_AVX2 inline __m256 low_floats(__m256i words) {
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_unpacklo_epi16(words, words), 16));
}

MSN_AVX2 inline __m256 high_floats(__m256i words) {
  return _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_unpackhi_epi16(words, words), 16));
}

/// Transposes 16 x 16 bytes: four times, the first and second half of the rows are interleaved.
MSN_AVX2 inline void transpose(__m128i* rows) {
  __m128i other[tile];
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < tile / 2; ++i) {
      other[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + tile / 2]);
      other[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + tile / 2]);
    }
    for (std::size_t i = 0; i < tile / 2; ++i) {
      rows[2 * i] = _mm_unpacklo_epi8(other[i], other[i + tile / 2]);
      rows[2 * i + 1] = _mm_unpackhi_epi8(other[i], other[i + tile / 2]);
    }
  }
}

/// A plane of 16 x 16 pixels out of 48 bytes a row: pixels of channel c from three vectors of interleaved RGB.
MSN_AVX2 inline __m128i channel_of(const __m128i* rgb, std::size_t c) {
  // Byte 3 i + c of the 48; what lies in another vector becomes 0.
  alignas(16) static constexpr std::int8_t place[3][3][16] = {
      {{0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
       {-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1},
       {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13}},
      {{1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
       {-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1},
       {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14}},
      {{2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
       {-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1},
       {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15}}};
  __m128i levels = _mm_setzero_si128();
  for (std::size_t k = 0; k < 3; ++k) {
    const __m128i from = _mm_load_si128(reinterpret_cast<const __m128i*>(place[c][k]));
    levels = _mm_or_si128(levels, _mm_shuffle_epi8(rgb[k], from));
  }
  return levels;
}

MSN_AVX2 void split_tile(const std::uint8_t* const* rows, std::size_t at, std::uint8_t* const* channels) {
  __m128i planes[3][tile];
  for (std::size_t r = 0; r < tile; ++r) {
    const std::uint8_t* from = rows[r] + 3 * at;
    const __m128i rgb[3] = {load16(from), load16(from + 16), load16(from + 32)};
    for (std::size_t c = 0; c < 3; ++c)
      planes[c][r] = channel_of(rgb, c);
  }
  for (std::size_t c = 0; c < 3; ++c) {
    transpose(planes[c]);
    for (std::size_t x = 0; x < tile; ++x)
      store16(channels[c] + (at + x) * tile, planes[c][x]);
  }
}

MSN_AVX2 void split_and_turn(const std::uint8_t* const* rows, std::size_t columns, std::uint8_t* const* channels) {
  const std::size_t whole = columns / tile * tile;
  for (std::size_t at = 0; at < whole; at += tile)
    split_tile(rows, at, channels);
  if (whole == columns) return;
  // Nothing behind a row may be read: it can be the last one.
  const std::size_t rest = columns - whole;
  std::uint8_t padded[tile][3 * tile] = {};
  std::uint8_t turned[3][tile * tile];
  const std::uint8_t* padded_rows[tile];
  for (std::size_t r = 0; r < tile; ++r) {
    std::memcpy(padded[r], rows[r] + 3 * whole, 3 * rest);
    padded_rows[r] = padded[r];
  }
  std::uint8_t* const turned_channels[3] = {turned[0], turned[1], turned[2]};
  split_tile(padded_rows, 0, turned_channels);
  for (std::size_t c = 0; c < 3; ++c)
    std::memcpy(channels[c] + whole * tile, turned[c], rest * tile);
}

MSN_AVX2 void turn(const std::uint8_t* const* rows, std::size_t columns, std::uint8_t* turned) {
  for (std::size_t at = 0; at < columns; at += tile) {
    __m128i block[tile];
    for (std::size_t r = 0; r < tile; ++r)
      block[r] = load16(rows[r] + at);
    transpose(block);
    for (std::size_t x = 0; x < tile && at + x < columns; ++x)
      store16(turned + (at + x) * tile, block[x]);
  }
}

MSN_AVX2 void unturn(const std::uint8_t* turned, std::size_t columns, std::uint8_t* rows, std::size_t stride,
                     std::size_t count) {
  for (std::size_t at = (columns - 1) / tile * tile;; at -= tile) {
    __m128i block[tile];
    for (std::size_t x = 0; x < tile; ++x)
      block[x] = load16(turned + (at + x) * tile);
    transpose(block);
    for (std::size_t r = 0; r < count; ++r)
      store16(rows + r * stride + at, block[r]);
    if (at == 0) return;
  }
}

MSN_AVX2 void weigh(const std::uint8_t* const* in, std::size_t in_stride, std::uint8_t* const* out,
                    std::ptrdiff_t out_stride, const Taps& taps) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i half = _mm256_set1_epi32(1 << (Taps::fraction_bits - 1));
  const std::size_t outputs = taps.first.size();
  const std::uint32_t* low = taps.low.data();
  const std::uint32_t* high = taps.high.data();
  std::ptrdiff_t to = 0;
  for (std::size_t o = 0; o < outputs; ++o, to += out_stride, low += taps.most_pairs, high += taps.most_pairs) {
    std::size_t at = static_cast<std::size_t>(taps.first[o]) * in_stride;
    __m256i sum_low[4] = {half, half, half, half};
    __m256i sum_high[4] = {zero, zero, zero, zero};
    const int pairs = taps.pairs[o];
    for (int i = 0; i < pairs; ++i, at += 2 * in_stride) {
      const __m256i first = _mm256_set_m128i(load16(in[1] + at), load16(in[0] + at));
      const __m256i second = _mm256_set_m128i(load16(in[1] + at + in_stride), load16(in[0] + at + in_stride));
      const __m256i weight_low = _mm256_set1_epi32(static_cast<int>(low[i]));
      const __m256i weight_high = _mm256_set1_epi32(static_cast<int>(high[i]));
      const __m256i front = _mm256_unpacklo_epi8(first, second);
      const __m256i back = _mm256_unpackhi_epi8(first, second);
      const __m256i pair[4] = {_mm256_unpacklo_epi8(front, zero), _mm256_unpackhi_epi8(front, zero),
                               _mm256_unpacklo_epi8(back, zero), _mm256_unpackhi_epi8(back, zero)};
      for (int k = 0; k < 4; ++k) {
        sum_low[k] = _mm256_add_epi32(sum_low[k], _mm256_madd_epi16(pair[k], weight_low));
        sum_high[k] = _mm256_add_epi32(sum_high[k], _mm256_madd_epi16(pair[k], weight_high));
      }
    }
    for (int k = 0; k < 4; ++k) {
      const __m256i sum = _mm256_add_epi32(sum_low[k], _mm256_slli_epi32(sum_high[k], Taps::low_bits));
      sum_low[k] = _mm256_srai_epi32(sum, Taps::fraction_bits);
    }
    const __m256i levels =
        _mm256_packus_epi16(_mm256_packs_epi32(sum_low[0], sum_low[1]), _mm256_packs_epi32(sum_low[2], sum_low[3]));
    store16(out[0] + to, _mm256_castsi256_si128(levels));
    store16(out[1] + to, _mm256_extracti128_si256(levels, 1));
  }
}

/// The luma of 16 pixels. 38470 does not fit 16 bits with a sign: 65536 is taken off it, and G added after the shift.
MSN_AVX2 inline __m256i luma(__m256i red, __m256i green, __m256i blue) {
  const __m256i red_green =
      _mm256_set1_epi32(static_cast<int>(19595u | static_cast<std::uint32_t>(38470 - 65536) << 16));
  const __m256i blue_half = _mm256_set1_epi32(7471 | 16384 << 16);  // Times the constant 2: the rounding's 32768.
  const __m256i two = _mm256_set1_epi16(2);
  const __m256i low = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpacklo_epi16(red, green), red_green),
                                       _mm256_madd_epi16(_mm256_unpacklo_epi16(blue, two), blue_half));
  const __m256i high = _mm256_add_epi32(_mm256_madd_epi16(_mm256_unpackhi_epi16(red, green), red_green),
                                        _mm256_madd_epi16(_mm256_unpackhi_epi16(blue, two), blue_half));
  return _mm256_add_epi16(_mm256_packs_epi32(_mm256_srai_epi32(low, 16), _mm256_srai_epi32(high, 16)), green);
}

MSN_AVX2 std::uint64_t luma_sum(const std::uint8_t* const* planes, std::size_t n) {
  const std::size_t whole = n / tile * tile;
  __m256i sums = _mm256_setzero_si256();
  for (std::size_t i = 0; i < whole; i += tile) {
    const __m256i gray = luma(load_words(planes[0] + i), load_words(planes[1] + i), load_words(planes[2] + i));
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(gray, _mm256_setzero_si256()));
  }
  alignas(32) std::uint64_t parts[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(parts), sums);
  const std::uint8_t* const rest[3] = {planes[0] + whole, planes[1] + whole, planes[2] + whole};
  return parts[0] + parts[1] + parts[2] + parts[3] + generic_pixel_kernels().luma_sum(rest, n - whole);
}

MSN_AVX2 void grayscale(std::uint8_t* const* planes, std::size_t n) {
  for (std::size_t i = 0; i < n; i += tile) {
    const __m256i gray = luma(load_words(planes[0] + i), load_words(planes[1] + i), load_words(planes[2] + i));
    for (std::size_t c = 0; c < 3; ++c)
      store_words(planes[c] + i, gray);
  }
}

/// base + factor * difference, truncated; the packing keeps it within 0 to 255.
MSN_AVX2 inline __m256i blend(__m256 base_low, __m256 base_high, __m256i difference, __m256 factor) {
  const __m256 low = _mm256_add_ps(base_low, _mm256_mul_ps(factor, low_floats(difference)));
  const __m256 high = _mm256_add_ps(base_high, _mm256_mul_ps(factor, high_floats(difference)));
  return _mm256_packs_epi32(_mm256_cvttps_epi32(low), _mm256_cvttps_epi32(high));
}

MSN_AVX2 void blend_constant(std::uint8_t* levels, std::size_t n, int degenerate, float factor) {
  const __m256 factors = _mm256_set1_ps(factor);
  const __m256 base = _mm256_set1_ps(static_cast<float>(degenerate));
  const __m256i base_words = _mm256_set1_epi16(static_cast<std::int16_t>(degenerate));
  for (std::size_t i = 0; i < n; i += tile) {
    const __m256i difference = _mm256_sub_epi16(load_words(levels + i), base_words);
    store_words(levels + i, blend(base, base, difference, factors));
  }
}

MSN_AVX2 void blend_luma(std::uint8_t* const* planes, std::size_t n, float factor) {
  const __m256 factors = _mm256_set1_ps(factor);
  for (std::size_t i = 0; i < n; i += tile) {
    const __m256i rgb[3] = {load_words(planes[0] + i), load_words(planes[1] + i), load_words(planes[2] + i)};
    const __m256i gray = luma(rgb[0], rgb[1], rgb[2]);
    const __m256 low = low_floats(gray), high = high_floats(gray);
    for (std::size_t c = 0; c < 3; ++c)
      store_words(planes[c] + i, blend(low, high, _mm256_sub_epi16(rgb[c], gray), factors));
  }
}

/// trunc(255 * frac(h / 6 + 1)) of Pillow, which takes it in double: here in float32 with the same result. `base` and
/// `part` / `range` add up to h, the place on the circle in sixths, from -1 to 5.
MSN_AVX2 inline __m256i hue(__m256 base, __m256 part, __m256 range) {
  const __m256 sixths = _mm256_add_ps(base, _mm256_div_ps(part, range));
  __m256 turn = _mm256_div_ps(sixths, _mm256_set1_ps(6.0f));
  const __m256 negative = _mm256_cmp_ps(sixths, _mm256_setzero_ps(), _CMP_LT_OQ);
  turn = _mm256_add_ps(turn, _mm256_and_ps(negative, _mm256_set1_ps(1.0f)));
  const __m256 scale = _mm256_set1_ps(255.0f);
  const __m256i level = _mm256_cvttps_epi32(_mm256_mul_ps(turn, scale));
  // The product may have been rounded up to the next integer; its exact distance from that tells.
  const __m256 distance = _mm256_fmsub_ps(turn, scale, _mm256_cvtepi32_ps(level));
  return _mm256_add_epi32(level, _mm256_castps_si256(_mm256_cmp_ps(distance, _mm256_setzero_ps(), _CMP_LT_OQ)));
}

/// Value times saturation, the latter as trunc(255 * range / value).
MSN_AVX2 inline __m256 value_times_saturation(__m256 value, __m256 range) {
  const __m256 share = _mm256_div_ps(range, _mm256_max_ps(value, _mm256_set1_ps(1.0f)));
  const __m256i saturation = _mm256_cvttps_epi32(_mm256_mul_ps(share, _mm256_set1_ps(255.0f)));
  return _mm256_mul_ps(value, _mm256_cvtepi32_ps(saturation));
}

/// value - product * weight / (255 * 85), rounded to the nearest integer; ties cannot happen, and float32 is near
/// enough (hsv.cpp has the integers).
MSN_AVX2 inline __m256i channel_level(__m256 value, __m256 product, __m256 weight) {
  const __m256 share = _mm256_mul_ps(product, weight);
  return _mm256_cvttps_epi32(
      _mm256_fnmadd_ps(share, _mm256_set1_ps(1.0f / (255 * 85)), _mm256_add_ps(value, _mm256_set1_ps(0.5f))));
}

MSN_AVX2 inline __m256i clamp_weight(__m256i weight) {
  return _mm256_min_epi16(_mm256_max_epi16(weight, _mm256_setzero_si256()), _mm256_set1_epi16(85));
}

MSN_AVX2 inline __m256i distance(__m256i words, int from) {
  return _mm256_abs_epi16(_mm256_sub_epi16(words, _mm256_set1_epi16(static_cast<std::int16_t>(from))));
}

MSN_AVX2 void shift_hue(std::uint8_t* const* planes, std::size_t n, std::uint8_t shift) {
  const __m256i shifts = _mm256_set1_epi16(shift);
  const __m256i whole_circle = _mm256_set1_epi16(255);
  for (std::size_t i = 0; i < n; i += tile) {
    const __m128i r = load16(planes[0] + i), g = load16(planes[1] + i), b = load16(planes[2] + i);
    const __m128i rg_max = _mm_max_epu8(r, g), rg_min = _mm_min_epu8(r, g);
    const __m128i high = _mm_max_epu8(rg_max, b), low = _mm_min_epu8(rg_min, b);
    const __m128i middle = _mm_max_epu8(rg_min, _mm_min_epu8(rg_max, b));
    // The hue lies between two primary colours: at `base` plus or minus the middle channel's part of the range.
    const __m128i red_high = _mm_cmpeq_epi8(r, high);
    const __m128i green_high = _mm_andnot_si128(red_high, _mm_cmpeq_epi8(g, high));
    const __m128i minus = _mm_blendv_epi8(_mm_blendv_epi8(_mm_cmpeq_epi8(g, low), _mm_cmpeq_epi8(r, low), green_high),
                                          _mm_cmpeq_epi8(b, low), red_high);
    const __m128i sector = _mm_blendv_epi8(_mm_set1_epi8(4), _mm_set1_epi8(2), green_high);
    const __m128i base = _mm_add_epi8(_mm_andnot_si128(red_high, sector),
                                      _mm_or_si128(_mm_set1_epi8(1), _mm_cmpeq_epi8(minus, _mm_setzero_si128())));
    const __m256i sign = _mm256_or_si256(_mm256_cvtepi8_epi16(minus), _mm256_set1_epi16(1));
    const __m256i part = _mm256_sign_epi16(_mm256_cvtepu8_epi16(_mm_sub_epi8(high, middle)), sign);
    const __m256i base_words = _mm256_cvtepi8_epi16(base);
    const __m256i range = _mm256_cvtepu8_epi16(_mm_sub_epi8(high, low));
    const __m256i divisor = _mm256_max_epi16(range, _mm256_set1_epi16(1));
    const __m256i hues = _mm256_packs_epi32(hue(low_floats(base_words), low_floats(part), low_floats(divisor)),
                                            hue(high_floats(base_words), high_floats(part), high_floats(divisor)));
    const __m256i shifted = _mm256_and_si256(_mm256_add_epi16(hues, shifts), whole_circle);

    const __m256i value = _mm256_cvtepu8_epi16(high);
    const __m256 value_low = low_floats(value), value_high = high_floats(value);
    const __m256 product_low = value_times_saturation(value_low, low_floats(range));
    const __m256 product_high = value_times_saturation(value_high, high_floats(range));
    const __m256i doubled = _mm256_slli_epi16(shifted, 1);
    const __m256i sixth = _mm256_set1_epi16(85);
    const __m256i weights[3] = {clamp_weight(_mm256_sub_epi16(_mm256_set1_epi16(170), distance(doubled, 255))),
                                clamp_weight(_mm256_sub_epi16(distance(doubled, 170), sixth)),
                                clamp_weight(_mm256_sub_epi16(distance(doubled, 340), sixth))};
    for (std::size_t c = 0; c < 3; ++c) {
      const __m256i level_low = channel_level(value_low, product_low, low_floats(weights[c]));
      const __m256i level_high = channel_level(value_high, product_high, high_floats(weights[c]));
      store_words(planes[c] + i, _mm256_packs_epi32(level_low, level_high));
    }
  }
}

/// The weights of a box filter in two parts each, as Taps has them: (inside, ends) side by side for one multiply-add.
struct BoxWeights {
  __m256i low;
  __m256i high;
};

MSN_AVX2 inline BoxWeights box_weights(const BoxFilter& box) {
  constexpr std::uint32_t mask = (1u << 15) - 1;
  return {_mm256_set1_epi32(static_cast<int>((box.inside & mask) | (box.ends & mask) << 16)),
          _mm256_set1_epi32(static_cast<int>(box.inside >> 15 | box.ends >> 15 << 16))};
}

/// (inside * w_inside + ends * w_ends + 2^23) >> 24 of 32 bits without sign, for 8 pairs (inside, ends).
MSN_AVX2 inline __m256i box_level(__m256i pairs, const BoxWeights& weights) {
  const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(pairs, weights.low),
                                       _mm256_slli_epi32(_mm256_madd_epi16(pairs, weights.high), 15));
  return _mm256_srli_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << 23)), 24);
}

/// One of the passes over a stream of steps: holds the last 2 reach + 1 of them, 16 levels as 16-bit integers each.
template <int reach>
struct BoxPass {
  __m256i window[2 * reach + 1];

  MSN_AVX2 inline void begin(__m256i step) {
    for (__m256i& place : window)
      place = step;
  }
  MSN_AVX2 inline void push(__m256i step) {
    for (int i = 0; i < 2 * reach; ++i)
      window[i] = window[i + 1];
    window[2 * reach] = step;
  }
  /// The filtered level of the step pushed `reach` steps ago.
  MSN_AVX2 inline __m256i level(const BoxWeights& weights) const {
    const __m256i ends = _mm256_add_epi16(window[0], window[2 * reach]);
    __m256i inside = window[1];
    for (int i = 2; i < 2 * reach; ++i)
      inside = _mm256_add_epi16(inside, window[i]);
    return _mm256_packus_epi32(box_level(_mm256_unpacklo_epi16(inside, ends), weights),
                               box_level(_mm256_unpackhi_epi16(inside, ends), weights));
  }
};

/// All passes at once, each `reach` steps behind the one before it. Beyond the ends a pass sees its first or last input
/// again.
template <int reach>
MSN_AVX2 void blur_steps(const std::uint8_t* in, std::size_t in_stride, std::uint8_t* out, std::size_t out_stride,
                         std::size_t n, const BoxFilter& box) {
  constexpr std::size_t lag = reach;
  const BoxWeights weights = box_weights(box);
  BoxPass<reach> pass[blur_passes] = {};
  __m256i input[blur_passes] = {};
  for (std::size_t t = 0; t < n + blur_passes * lag; ++t) {
    if (t < n) input[0] = load_words(in + t * in_stride);
    for (std::size_t k = 0; k < blur_passes; ++k) {
      if (t < k * lag) break;
      if (t == k * lag) pass[k].begin(input[k]);
      pass[k].push(input[k]);
      if (t < (k + 1) * lag) break;
      const std::size_t step = t - (k + 1) * lag;
      if (step >= n) continue;
      const __m256i level = pass[k].level(weights);
      if (k + 1 < blur_passes) {
        input[k + 1] = level;
      } else {
        store_words(out + step * out_stride, level);
      }
    }
  }
}

MSN_AVX2 void blur(const std::uint8_t* in, std::size_t in_stride, std::uint8_t* out, std::size_t out_stride,
                   std::size_t n, const BoxFilter& box) {
  switch (box.whole) {
    case 0:
      return blur_steps<1>(in, in_stride, out, out_stride, n, box);
    case 1:
      return blur_steps<2>(in, in_stride, out, out_stride, n, box);
    default:
      // A standard deviation above 2 pixels, which no published configuration draws.
      return generic_pixel_kernels().blur(in, in_stride, out, out_stride, n, box);
  }
}

}  // namespace

const PixelKernels* avx2_pixel_kernels() {
  static constexpr PixelKernels kernels{"AVX2",    split_and_turn, turn,       unturn,    weigh, luma_sum,
                                        grayscale, blend_constant, blend_luma, shift_hue, blur};
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels : nullptr;
}

}  // namespace msn

#else

namespace msn {

const PixelKernels* avx2_pixel_kernels() {
  return nullptr;
}

}  // namespace msn

#endif
