// SPDX-License-Identifier: Apache-2.0
// Arithmetic for the sources that are compiled once an instruction set: free of branches, so that the compiler
// vectorises the loops around it. Included by these sources only; everything is in the namespace of their form. The
// kernels of Kokkos compute with it, too (device/arithmetic.hpp, which says what MSN_INLINE is there).
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"

extern "C" {
double exp(double) noexcept;
double erf(double) noexcept;
}

namespace msn::kernels::MSN_ISA {

#if !defined(MSN_INLINE)
#define MSN_INLINE [[gnu::always_inline]] static inline
#endif

MSN_INLINE float float_of_bits(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
MSN_INLINE std::uint32_t bits_of(float value) {
  return __builtin_bit_cast(std::uint32_t, value);
}

MSN_INLINE float load(const float& stored) {
  return stored;
}
MSN_INLINE double load(const double& stored) {
  return stored;
}
MSN_INLINE float load(const Bf16& stored) {
  return float_of_bits(static_cast<std::uint32_t>(stored.bits) << 16);
}

MSN_INLINE void store(float& stored, float value) {
  stored = value;
}
MSN_INLINE void store(double& stored, double value) {
  stored = value;
}
/// Rounds to nearest, ties to even. What is not a number stays so.
MSN_INLINE void store(Bf16& stored, float value) {
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  const std::uint32_t quiet = (bits >> 16) | 0x40U;
  stored.bits = static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? quiet : rounded);
}

/// x = n log 2 + r with |r| <= 0.3466, and 2^n; x beyond [-87.3, 88.3] is taken to the nearest end.
struct SplitExponent {
  float r, power;
};
MSN_INLINE SplitExponent split_exponent(float x) {
  x = x < -87.3F ? -87.3F : x;
  x = x > 88.3F ? 88.3F : x;
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const float shifted = x * 1.44269504F + 12582912.0F;
  const float n = shifted - 12582912.0F;
  return {(x - n * 0.693359375F) + n * 2.12194440e-4F, float_of_bits((bits_of(shifted) + 127U) << 23)};
}

/// e^x, to 2 units in the last place within [-87.3, 88.3]; beyond these ends the value at the end.
MSN_INLINE float exponential(float x) {
  const auto [r, power] = split_exponent(x);
  // Taylor's polynomial of degree 7: its error, below 6e-9 for |r| <= 0.3466, is lost in rounding.
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  return p * power;
}
MSN_INLINE double exponential(double x) {
  return exp(x);
}

/// Begins to fetch the row that follows this one at a distance of some 6 KiB into the second cache. The processor's own
/// prefetching stops at the ends of pages, which rows are nearly as long as.
template <class T>
MSN_INLINE void fetch_ahead(const T* row, std::int64_t width) {
  constexpr std::int64_t line = 64 / sizeof(T);
  constexpr std::int64_t distance = 6144 / sizeof(T);
  const T* next = row + (1 + distance / width) * width;
  for (std::int64_t i = 0; i < width; i += line)
    __builtin_prefetch(next + i, 0, 2);
}

MSN_INLINE float square_root(float x) {
  return __builtin_sqrtf(x);
}
MSN_INLINE double square_root(double x) {
  return __builtin_sqrt(x);
}

/// The normal distribution at x: its cumulative function Φ and its density φ.
template <class A>
struct Normal {
  A cumulative, density;
};

/// Φ to 9e-8, and where it is below 0.07 to 1e-6 of itself; φ to 4e-8. Both fitted for least greatest error: for |x| <=
/// 1.5, where activations lie and an error that many of them share would count, (Φ - 1/2) / x as a polynomial in x²
/// (1e-9); beyond, e^(y²) erfc(y), y = |x| / sqrt 2, as one without constant in t = 1 / (1 + 0.4 y) (3e-8 of itself).
MSN_INLINE Normal<float> normal(float x) {
  const float magnitude = float_of_bits(bits_of(x) & 0x7fffffffU);
  const float square = x * x;
  const float gauss = exponential(-0.5F * square);
  const float t = 1.0F / (1.0F + 0.282842712F * magnitude);
  float tail = -0.11678924F;
  tail = tail * t + 0.245040469F;
  tail = tail * t + 0.00668638313F;
  tail = tail * t + 0.213945513F;
  tail = tail * t + 0.198505694F;
  tail = tail * t + 0.226736684F;
  tail = tail * t + 0.22562419F;
  const float upper = 0.5F * t * tail * gauss;
  float centre = 3.99591225e-7F;
  centre = centre * square - 8.62987942e-6F;
  centre = centre * square + 1.14104491e-4F;
  centre = centre * square - 0.00118614301F;
  centre = centre * square + 0.00997301001F;
  centre = centre * square - 0.0664902683F;
  centre = centre * square + 0.398942274F;
  const float beyond = x < 0 ? upper : 1.0F - upper;
  return {magnitude > 1.5F ? beyond : 0.5F + x * centre, 0.398942280F * gauss};
}
/// As normal(), for what is stored in bfloat16: Φ below a half, 1 - Φ above, and φ are within 3e-4 of themselves, a
/// tenth of what rounding to bfloat16 does. e^(y²) erfc(y) is a polynomial of degree 4 in t = 1 / (1 + 0.7 y).
MSN_INLINE Normal<float> normal_for_bf16(float x) {
  const float magnitude = float_of_bits(bits_of(x) & 0x7fffffffU);
  const auto [r, power] = split_exponent(-0.5F * x * x);
  const float gauss = ((((1.0F / 24) * r + 1.0F / 6) * r + 0.5F) * r + 1.0F) * r * power + power;
  const float t = 1.0F / (1.0F + 0.494974747F * magnitude);
  const float tail = ((-0.245837966F * t + 0.495042918F) * t + 0.352968199F) * t + 0.397871898F;
  const float upper = 0.5F * t * tail * gauss;
  return {x < 0 ? upper : 1.0F - upper, 0.398942280F * gauss};
}

MSN_INLINE Normal<double> normal(double x) {
  return {0.5 * (1 + erf(x * 0.70710678118654752440)), 0.39894228040143267794 * exp(-0.5 * x * x)};
}

}  // namespace msn::kernels::MSN_ISA
