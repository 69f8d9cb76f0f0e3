// SPDX-License-Identifier: Apache-2.0
#include "model/layers.hpp"

#include "model/gemm.hpp"

namespace msn {

Linear::Linear(const Parameters& parameters, const std::string& name, const at::Tensor& weights)
    : weight(Parameters::view(weights.defined() ? weights : parameters.values(), parameters.segment(name + ".weight"))
                 .flatten(1)),
      bias(parameters.value(name + ".bias")) {
  if (parameters.gradients().defined()) {
    weight_gradient = parameters.gradient(name + ".weight").flatten(1);
    bias_gradient = parameters.gradient(name + ".bias");
  }
}

Linear Linear::rows(std::int64_t begin, std::int64_t end) const {
  Linear part;
  part.weight = weight.narrow(0, begin, end - begin);
  part.bias = bias.narrow(0, begin, end - begin);
  if (weight_gradient.defined()) {
    part.weight_gradient = weight_gradient.narrow(0, begin, end - begin);
    part.bias_gradient = bias_gradient.narrow(0, begin, end - begin);
  }
  return part;
}

at::Tensor linear(const at::Tensor& x, const Linear& layer) {
  return product(x, layer.weight.t()).add_(layer.bias);
}

at::Tensor linear_backward(const at::Tensor& dy, const at::Tensor& x, const Linear& layer) {
  add_product(layer.weight_gradient, dy.t(), x);
  layer.bias_gradient.add_(dy.sum(0));
  return product(dy, layer.weight);
}

Affine::Affine(const Parameters& parameters, const std::string& name)
    : weight(parameters.value(name + ".weight")), bias(parameters.value(name + ".bias")) {
  if (parameters.gradients().defined()) {
    weight_gradient = parameters.gradient(name + ".weight");
    bias_gradient = parameters.gradient(name + ".bias");
  }
}

}  // namespace msn
