// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// activated = GELU(x + bias), the exact GELU x Φ(x) (Hendrycks, Gimpel, arXiv 1606.08415). x and activated
/// [rows, width], which may be the same memory; bias [width]. T is float, double or Bf16.
template <class T>
void bias_gelu(std::int64_t rows, std::int64_t width, const T* x, const Accumulate<T>* bias, T* activated,
               InstructionSet set = instruction_set());

/// The gradient dx = dactivated (Φ(x + bias) + (x + bias) φ(x + bias)), which may overwrite dactivated; adds its sum
/// over the rows to dbias [width]. Recomputes the activation into `activated` unless that is null; it may overwrite x.
/// The bits do not depend on the number of threads.
template <class T>
void bias_gelu_backward(std::int64_t rows, std::int64_t width, const T* dactivated, const T* x,
                        const Accumulate<T>* bias, T* dx, Accumulate<T>* dbias, T* activated,
                        InstructionSet set = instruction_set());

}  // namespace msn::kernels
