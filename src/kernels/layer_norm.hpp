// SPDX-License-Identifier: Apache-2.0
// Layer norm (Ba, Kiros, Hinton, arXiv 1607.06450) over the columns of row matrices [rows, width], with the residual
// sum before it. T is float, double or Bf16. Bits do not depend on the number of threads.
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// sum = x + row_scale (branch + branch_bias); mean and rstd = 1 / sqrt(variance + eps) of its rows;
/// normed = (sum - mean) rstd weight + bias.
template <class T>
struct AddLayerNorm {
  std::int64_t width;
  const T* x;
  const T* branch;                   ///< Null: sum is x, and the next three are not used.
  const Accumulate<T>* branch_bias;  ///< [width]
  const Accumulate<T>* row_scale;    ///< [rows]; null: 1.
  T* sum;                            ///< May be the memory of x or branch.
  const Accumulate<T>* weight;       ///< [width]
  const Accumulate<T>* bias;         ///< [width]
  Accumulate<T> eps;
  Accumulate<T>* mean;  ///< [rows]
  Accumulate<T>* rstd;  ///< [rows]
  T* normed;
};
template <class T>
void add_layer_norm(std::int64_t rows, const AddLayerNorm<T>& arguments, InstructionSet set = instruction_set());

/// normed once more, from what add_layer_norm() left.
template <class T>
struct LayerNormAgain {
  std::int64_t width;
  const T* sum;
  const Accumulate<T>*mean, *rstd, *weight, *bias;
  T* normed;
};
template <class T>
void layer_norm_again(std::int64_t rows, const LayerNormAgain<T>& arguments, InstructionSet set = instruction_set());

/// dx = the gradient of sum through normed, plus that of the skip connection beside it.
template <class T>
struct LayerNormBackward {
  std::int64_t width;
  const T* dnormed;
  const T* sum;
  const Accumulate<T>*mean, *rstd, *weight;
  const T* dskip;                  ///< Null: none.
  const std::int64_t* skip_row;    ///< [rows]: the row of dskip that is added, or -1; null: the same row.
  T* dx;                           ///< May be the memory of dnormed, or of dskip where skip_row is null.
  const Accumulate<T>* row_scale;  ///< As of the sum before; null: 1.
  T* dbranch;                      ///< row_scale dx; null: not wanted.
};
/// Adds the gradients of weight and bias and, unless null, the columns' sums of row_scale dx, which are the gradient of
/// branch_bias.
template <class T>
void layer_norm_backward(std::int64_t rows, const LayerNormBackward<T>& arguments, Accumulate<T>* dweight,
                         Accumulate<T>* dbias, Accumulate<T>* dbranch_bias, InstructionSet set = instruction_set());

}  // namespace msn::kernels
