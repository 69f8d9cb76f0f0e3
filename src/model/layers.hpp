// SPDX-License-Identifier: Apache-2.0
// The token-wise layers, forward and backward, for float32 and float64. Gradients are added to, never overwritten.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "model/parameters.hpp"

namespace msn {

/// Views of one linear layer's weight [out, in] and bias [out], and of their gradients (undefined without).
struct Linear {
  Linear() = default;
  Linear(const Parameters& parameters, const std::string& name);
  /// The rows [begin, end) of the layer: a part of its outputs.
  Linear rows(std::int64_t begin, std::int64_t end) const;

  at::Tensor weight, bias, weight_gradient, bias_gradient;
};

/// x [n, in] -> [n, out]: x Wᵀ + b. float32 runs on oneDNN, which LibTorch carries and which is up to twice as fast as
/// its default here; float64 on the BLAS.
at::Tensor linear(const at::Tensor& x, const Linear& layer);
/// Gradient with respect to x, from dy [n, out]; adds the gradients of weight and bias.
at::Tensor linear_backward(const at::Tensor& dy, const at::Tensor& x, const Linear& layer);
/// Only adds the gradients of weight and bias.
void linear_parameters_backward(const at::Tensor& dy, const at::Tensor& x, const Linear& layer);

/// Views of a normalisation's weight and bias [d] and of their gradients.
struct Affine {
  Affine() = default;
  Affine(const Parameters& parameters, const std::string& name);
  at::Tensor weight, bias, weight_gradient, bias_gradient;
};

/// What the backward pass of a layer norm needs.
struct LayerNormSaved {
  at::Tensor x, mean, rstd;
};

/// Over the last dimension, eps 1e-6. `saved` may be null.
at::Tensor layer_norm(const at::Tensor& x, const Affine& layer, LayerNormSaved* saved);
at::Tensor layer_norm_backward(const at::Tensor& dy, const LayerNormSaved& saved, const Affine& layer);

}  // namespace msn
