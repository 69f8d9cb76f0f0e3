// SPDX-License-Identifier: Apache-2.0
// Views of the layers' parameters. Gradients are added to, never overwritten.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "model/parameters.hpp"

namespace msn {

/// Views of one linear layer's weight [out, in] and bias [out], and of their gradients (undefined without).
struct Linear {
  Linear() = default;
  /// `weights`: a buffer with the layout of `parameters` that the weight is taken from, in another type perhaps;
  /// undefined: the parameters' own.
  Linear(const Parameters& parameters, const std::string& name, const at::Tensor& weights = {});
  /// The rows [begin, end) of the layer: a part of its outputs.
  Linear rows(std::int64_t begin, std::int64_t end) const;

  at::Tensor weight, bias, weight_gradient, bias_gradient;
  at::Tensor compute_bias;  ///< The bias in the weight's type.
};

/// Views of a normalisation's weight and bias [d] and of their gradients.
struct Affine {
  Affine() = default;
  /// `weights`: as of Linear, for those of `compute_*`.
  Affine(const Parameters& parameters, const std::string& name, const at::Tensor& weights = {});
  at::Tensor weight, bias, weight_gradient, bias_gradient;
  at::Tensor compute_weight, compute_bias;  ///< The same in the type of the activations; undefined without `weights`.
};

}  // namespace msn
