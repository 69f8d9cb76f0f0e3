// SPDX-License-Identifier: Apache-2.0
#include "kernels/gelu_rows.hpp"

#include "kernels/row_math.hpp"

namespace msn::kernels::MSN_ISA {
namespace {

/// As exactly as the storage type T can hold.
template <class T>
MSN_INLINE Normal<Accumulate<T>> normal_for(Accumulate<T> x) {
  if constexpr (sizeof(T) == sizeof(Bf16)) {
    return normal_for_bf16(x);
  } else {
    return normal(x);
  }
}

}  // namespace

template <class T>
void bias_gelu(const BiasGelu<T>& a, std::int64_t begin, std::int64_t end) {
  const Accumulate<T>* bias = a.bias;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    fetch_ahead(x, a.width);
    T* activated = a.activated + row * a.width;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const Accumulate<T> value = load(x[i]) + bias[i];
      store(activated[i], value * normal_for<T>(value).cumulative);
    }
  }
}

template <class T>
void bias_gelu_backward(const BiasGeluBackward<T>& a, std::int64_t begin, std::int64_t end, Accumulate<T>* dbias) {
  const Accumulate<T>* bias = a.bias;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    fetch_ahead(x, a.width);
    const T* dactivated = a.dactivated + row * a.width;
    fetch_ahead(dactivated, a.width);
    T* dx = a.dx + row * a.width;
    // One loop for both cases, so that they have the same bits: an activation that nobody wants lies where the gradient
    // is written a moment later.
    T* activated = a.activated == nullptr ? dx : a.activated + row * a.width;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const Accumulate<T> value = load(x[i]) + bias[i];
      const Normal<Accumulate<T>> at = normal_for<T>(value);
      const Accumulate<T> gradient = load(dactivated[i]) * (at.cumulative + value * at.density);
      store(activated[i], value * at.cumulative);
      store(dx[i], gradient);
      dbias[i] += gradient;
    }
  }
}

#define MSN_INSTANTIATE(T)                                                    \
  template void bias_gelu<T>(const BiasGelu<T>&, std::int64_t, std::int64_t); \
  template void bias_gelu_backward<T>(const BiasGeluBackward<T>&, std::int64_t, std::int64_t, Accumulate<T>*);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels::MSN_ISA
