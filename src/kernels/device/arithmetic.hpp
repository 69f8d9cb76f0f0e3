// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the CPU's rows (kernels/row_math.hpp) for kernels of Kokkos, and values that are read and written
// 128 bits at a time. Included by this folder's sources only.
#pragma once

#include <Kokkos_Core.hpp>
#include <cmath>
#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)
#include <cuda_bf16.h>
#endif

#define MSN_ISA device
#define MSN_INLINE KOKKOS_FORCEINLINE_FUNCTION
#include "kernels/row_math.hpp"
#undef MSN_ISA

namespace msn::kernels::device {

/// As exactly as the storage type T can hold.
template <class T>
MSN_INLINE Normal<Accumulate<T>> normal_for(Accumulate<T> x) {
  if constexpr (sizeof(T) == sizeof(Bf16)) {
    return normal_for_bf16(x);
  } else {
    return normal(x);
  }
}

/// As store(), by the GPU's own instruction where it has one. Any NaN becomes 0x7fff by it.
template <class T>
MSN_INLINE void round_into(T& stored, Accumulate<T> value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (sizeof(T) == sizeof(Bf16)) {
    stored.bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
    return;
  }
#endif
  store(stored, value);
}

/// Values one after the other, moved at once.
template <class T, int n>
struct alignas(sizeof(T) * n > 16 ? 16 : sizeof(T) * n) Pack {
  T values[n];
};

/// How many values of T fill 128 bits.
template <class T>
inline constexpr int kPack = 16 / static_cast<int>(sizeof(T));

template <int n, class T>
MSN_INLINE Pack<T, n> read_pack(const T* from, std::int64_t pack) {
  return reinterpret_cast<const Pack<T, n>*>(from)[pack];
}
template <int n, class T>
MSN_INLINE void write_pack(T* to, std::int64_t pack, const Pack<T, n>& values) {
  reinterpret_cast<Pack<T, n>*>(to)[pack] = values;
}

/// Calls run(n) with how many values of T are moved at once in rows of that width: 128 bits if all rows of all these
/// arrays begin at a whole number of them (null does), else one.
template <class T, class Run, class... Values>
void with_pack(std::int64_t width, const Run& run, const Values*... arrays) {
  if (width % kPack<T> == 0 && ((reinterpret_cast<std::uintptr_t>(arrays) % 16 == 0) && ...)) {
    run(std::integral_constant<int, kPack<T>>{});
  } else {
    run(std::integral_constant<int, 1>{});
  }
}

}  // namespace msn::kernels::device
