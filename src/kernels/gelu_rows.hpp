// SPDX-License-Identifier: Apache-2.0
// What gelu.cpp asks of every instruction set, for rows [begin, end).
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

template <class T>
struct BiasGelu {
  std::int64_t width;
  const T* x;
  const Accumulate<T>* bias;
  T* activated;
};

template <class T>
struct BiasGeluBackward {
  std::int64_t width;
  const T* dactivated;
  const T* x;
  const Accumulate<T>* bias;
  T* dx;
  T* activated;  ///< May be null.
};

MSN_DECLARE_FORMS(template <class T> void bias_gelu(const BiasGelu<T>& a, std::int64_t begin, std::int64_t end);
                  /// Adds the rows' sum of dx to dbias.
                  template <class T> void bias_gelu_backward(const BiasGeluBackward<T>& a, std::int64_t begin,
                                                             std::int64_t end, Accumulate<T>* dbias);)

}  // namespace msn::kernels
