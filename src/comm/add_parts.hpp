// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "kernels/bf16.hpp"

namespace msn {

/// out[i] = parts[0][i] + parts[1][i] + ..., added in this order whatever the length: every sum over ranks on the host
/// ends here. `out` overlaps no part, or is parts[0]. Every part has out.size() elements.
template <class T>
void add_parts(std::span<const T* const> parts, std::span<T> out) {
  // Blocks that stay in the first-level cache, so that the result passes through memory once.
  constexpr std::size_t block = (std::size_t{16} << 10) / sizeof(T);
  for (std::size_t begin = 0; begin < out.size(); begin += block) {
    const std::size_t count = std::min(block, out.size() - begin);
    T* const __restrict sum = out.data() + begin;
    if (parts[0] != out.data()) std::memcpy(sum, parts[0] + begin, count * sizeof(T));
    for (std::size_t p = 1; p < parts.size(); ++p) {
      const T* const __restrict part = parts[p] + begin;
      for (std::size_t i = 0; i < count; ++i)
        sum[i] += part[i];
    }
  }
}

inline float to_float(kernels::Bf16 value) {
  return std::bit_cast<float>(std::uint32_t{value.bits} << 16);
}

/// To the nearest, ties to even; a number that is not one stays so.
inline kernels::Bf16 to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = bits + 0x7FFF + (bits >> 16 & 1);
  return {static_cast<std::uint16_t>((std::isnan(value) ? bits | 0x400000 : rounded) >> 16)};
}

/// Of bfloat16: added in float32 in the same order, rounded once at the end.
template <>
inline void add_parts(std::span<const kernels::Bf16* const> parts, std::span<kernels::Bf16> out) {
  constexpr std::size_t block = 2048;
  float sum[block];
  for (std::size_t begin = 0; begin < out.size(); begin += block) {
    const std::size_t count = std::min(block, out.size() - begin);
    for (std::size_t i = 0; i < count; ++i)
      sum[i] = to_float(parts[0][begin + i]);
    for (std::size_t p = 1; p < parts.size(); ++p) {
      const kernels::Bf16* const part = parts[p] + begin;
      for (std::size_t i = 0; i < count; ++i)
        sum[i] += to_float(part[i]);
    }
    for (std::size_t i = 0; i < count; ++i)
      out[begin + i] = to_bf16(sum[i]);
  }
}

}  // namespace msn
