// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace msn::kernels {

/// A bfloat16: the upper half of a float32. Same bits as LibTorch's c10::BFloat16.
struct Bf16 {
  std::uint16_t bits;
};

/// The type that sums and functions are computed in, for values stored as T.
template <class T>
struct AccumulateIn {
  using type = T;
};
template <>
struct AccumulateIn<Bf16> {
  using type = float;
};
template <class T>
using Accumulate = typename AccumulateIn<T>::type;

}  // namespace msn::kernels
