// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

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

}  // namespace msn
