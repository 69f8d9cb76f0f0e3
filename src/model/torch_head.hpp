// SPDX-License-Identifier: Apache-2.0
// What head.cpp does between its products by LibTorch's operators, on any device: kernels/batch_norm.hpp where
// kernel_form() is not KernelForm::rows. Nothing here waits for the device, so that a captured graph may hold it all.
// Matrices are [rows, width], of float32 or float64.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/head.hpp"

namespace msn {

/// Writes the moments of x (kernels::column_moments()) to `moments`, float64 [1 + 2 width].
void torch_column_moments(const at::Tensor& x, const at::Tensor& moments);

/// The moments of all ranks' rows together, from `parts` [ranks, 1 + 2 width], of which each has `rows` rows.
at::Tensor torch_combine_moments(const at::Tensor& parts, std::int64_t rows);

/// GELU(norm(x)), as kernels::batch_norm_gelu().
at::Tensor torch_batch_norm_gelu(const HeadTape::Layer& saved, const Affine& affine);

/// As kernels::batch_norm_gelu_backward(): `gradient`, of the activation, becomes that of norm(x), and `sums`, float64
/// [2, width], get the gradients of the norm's bias and weight. Returns the activation again.
at::Tensor torch_batch_norm_gelu_backward(const HeadTape::Layer& saved, const Affine& affine,
                                          const at::Tensor& gradient, const at::Tensor& sums);

/// As kernels::batch_norm_backward(): `gradient`, of norm(x), becomes that of x. `means` [2, width].
void torch_batch_norm_backward(const HeadTape::Layer& saved, const Affine& affine, const at::Tensor& means,
                               const at::Tensor& gradient);

}  // namespace msn
