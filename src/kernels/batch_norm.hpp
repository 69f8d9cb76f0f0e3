// SPDX-License-Identifier: Apache-2.0
// Batch norm followed by the exact GELU, over the rows of a matrix [rows, width]. T is float or double. What is summed
// over rows is summed in double precision over fixed blocks: its bits do not depend on the number of threads.
#pragma once

#include <cstdint>

#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// Moments of a set of rows are 1 + 2 width numbers: how many rows, every column's mean, every column's sum of squared
/// deviations from it.
constexpr std::int64_t moments_length(std::int64_t width) {
  return 1 + 2 * width;
}

/// The moments of x [rows, width].
template <class T>
void column_moments(std::int64_t rows, std::int64_t width, const T* x, double* moments,
                    InstructionSet set = instruction_set());

/// Makes `moments` those of its rows and the rows of `other` together (Chan et al., "Updating formulae and a pairwise
/// algorithm for computing sample variances", 1979). The same bits on every machine.
void combine_moments(std::int64_t width, const double* other, double* moments);

/// Of every column [width]: x becomes (x - mean) * inverse_std * weight + bias.
template <class T>
struct BatchNorm {
  const T* mean;
  const T* inverse_std;
  const T* weight;
  const T* bias;
};

/// activated = GELU(norm(x)), which may overwrite x.
template <class T>
void batch_norm_gelu(std::int64_t rows, std::int64_t width, const T* x, const BatchNorm<T>& norm, T* activated,
                     InstructionSet set = instruction_set());

/// First half of the backward pass: `gradient` [rows, width], of the activation, becomes that of norm(x); `activated`
/// becomes the activation again. `sums` [2, width] gets the gradients of norm.bias and norm.weight by these rows.
template <class T>
void batch_norm_gelu_backward(std::int64_t rows, std::int64_t width, const T* x, const BatchNorm<T>& norm, T* gradient,
                              T* activated, double* sums, InstructionSet set = instruction_set());

/// Second half: `gradient`, of norm(x), becomes that of x. `means` [2, width]: norm.weight times the gradients of
/// norm.bias and norm.weight by all rows that share the statistics, over the number of these rows.
template <class T>
void batch_norm_backward(std::int64_t rows, std::int64_t width, const T* x, const BatchNorm<T>& norm, const T* means,
                         T* gradient, InstructionSet set = instruction_set());

}  // namespace msn::kernels
