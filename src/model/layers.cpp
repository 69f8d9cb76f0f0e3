// SPDX-License-Identifier: Apache-2.0
#include "model/layers.hpp"

namespace msn {

Linear::Linear(const Parameters& parameters, const std::string& name, const at::Tensor& weights)
    : weight(Parameters::view(weights.defined() ? weights : parameters.values(), parameters.segment(name + ".weight"))
                 .flatten(1)),
      bias(parameters.value(name + ".bias")),
      compute_bias(weights.defined() ? Parameters::view(weights, parameters.segment(name + ".bias")) : bias) {
  if (parameters.gradients().defined()) {
    weight_gradient = parameters.gradient(name + ".weight").flatten(1);
    bias_gradient = parameters.gradient(name + ".bias");
  }
}

Linear Linear::rows(std::int64_t begin, std::int64_t end) const {
  Linear part;
  part.weight = weight.narrow(0, begin, end - begin);
  part.bias = bias.narrow(0, begin, end - begin);
  part.compute_bias = compute_bias.narrow(0, begin, end - begin);
  if (weight_gradient.defined()) {
    part.weight_gradient = weight_gradient.narrow(0, begin, end - begin);
    part.bias_gradient = bias_gradient.narrow(0, begin, end - begin);
  }
  return part;
}

Affine::Affine(const Parameters& parameters, const std::string& name, const at::Tensor& weights)
    : weight(parameters.value(name + ".weight")), bias(parameters.value(name + ".bias")) {
  if (weights.defined()) {
    compute_weight = Parameters::view(weights, parameters.segment(name + ".weight"));
    compute_bias = Parameters::view(weights, parameters.segment(name + ".bias"));
  }
  if (parameters.gradients().defined()) {
    weight_gradient = parameters.gradient(name + ".weight");
    bias_gradient = parameters.gradient(name + ".bias");
  }
}

}  // namespace msn
