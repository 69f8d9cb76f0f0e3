// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/device/space.hpp"
#include "kernels/layer_norm.hpp"

namespace msn::kernels::device {

/// As the functions of these names in kernels/layer_norm.hpp, in the memory where Kokkos computes. They return when
/// their kernels are on the queue, allocate nothing and never wait, so that a CUDA graph can be captured from it. The
/// same bits in every run.
template <class T>
void add_layer_norm(Queue queue, std::int64_t rows, const AddLayerNorm<T>& arguments);

template <class T>
void layer_norm_again(Queue queue, std::int64_t rows, const LayerNormAgain<T>& arguments);

/// `scratch`: layer_norm_scratch() values that nobody else uses until the queue is past this.
template <class T>
void layer_norm_backward(Queue queue, std::int64_t rows, const LayerNormBackward<T>& arguments, Accumulate<T>* dweight,
                         Accumulate<T>* dbias, Accumulate<T>* dbranch_bias, Accumulate<T>* scratch);
std::int64_t layer_norm_scratch(std::int64_t rows, std::int64_t width);

}  // namespace msn::kernels::device
