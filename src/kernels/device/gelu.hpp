// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/device/space.hpp"

namespace msn::kernels::device {

/// As the functions of these names in kernels/gelu.hpp, in the memory where Kokkos computes. They return when their
/// kernels are on the queue, allocate nothing and never wait. The same bits in every run.
template <class T>
void bias_gelu(Queue queue, std::int64_t rows, std::int64_t width, const T* x, const Accumulate<T>* bias, T* activated);

/// `scratch`: gelu_scratch() values that nobody else uses until the queue is past this.
template <class T>
void bias_gelu_backward(Queue queue, std::int64_t rows, std::int64_t width, const T* dactivated, const T* x,
                        const Accumulate<T>* bias, T* dx, Accumulate<T>* dbias, T* activated, Accumulate<T>* scratch);
std::int64_t gelu_scratch(std::int64_t rows, std::int64_t width);

}  // namespace msn::kernels::device
