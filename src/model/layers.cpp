// SPDX-License-Identifier: Apache-2.0
#include "model/layers.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/sum.h>

#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "model/vit.hpp"

namespace msn {
namespace {

using OneDnnLinear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                                std::string_view, c10::List<std::optional<at::Scalar>>,
                                std::optional<std::string_view>);

/// x [n, k] times wᵀ, w [m, k], plus bias. Both may be transposed views.
at::Tensor one_dnn_linear(const at::Tensor& x, const at::Tensor& w, const std::optional<at::Tensor>& bias) {
  // The operator has no public C++ header; the dispatcher knows it by name, as TorchScript does.
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "").typed<OneDnnLinear>();
  return op.call(x, w, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

at::Tensor times_transposed(const at::Tensor& x, const at::Tensor& w) {
  return x.scalar_type() == at::kFloat ? one_dnn_linear(x, w, std::nullopt) : at::mm(x, w.t());
}

}  // namespace

Linear::Linear(const Parameters& parameters, const std::string& name)
    : weight(parameters.value(name + ".weight").flatten(1)), bias(parameters.value(name + ".bias")) {
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
  return x.scalar_type() == at::kFloat ? one_dnn_linear(x, layer.weight, layer.bias)
                                       : at::addmm(layer.bias, x, layer.weight.t());
}

at::Tensor linear_backward(const at::Tensor& dy, const at::Tensor& x, const Linear& layer) {
  linear_parameters_backward(dy, x, layer);
  return times_transposed(dy, layer.weight.t());
}

void linear_parameters_backward(const at::Tensor& dy, const at::Tensor& x, const Linear& layer) {
  // dW = dyᵀ x. A transposed left operand is copied, so the narrower one goes left.
  if (dy.size(1) <= x.size(1)) {
    layer.weight_gradient.add_(times_transposed(dy.t(), x.t()));
  } else {
    layer.weight_gradient.add_(times_transposed(x.t(), dy.t()).t());
  }
  layer.bias_gradient.add_(dy.sum(0));
}

Affine::Affine(const Parameters& parameters, const std::string& name)
    : weight(parameters.value(name + ".weight")), bias(parameters.value(name + ".bias")) {
  if (parameters.gradients().defined()) {
    weight_gradient = parameters.gradient(name + ".weight");
    bias_gradient = parameters.gradient(name + ".bias");
  }
}

at::Tensor layer_norm(const at::Tensor& x, const Affine& layer, LayerNormSaved* saved) {
  auto [y, mean, rstd] = at::native_layer_norm(x, {x.size(-1)}, layer.weight, layer.bias, kLayerNormEps);
  if (saved != nullptr) *saved = {x, mean, rstd};
  return y;
}

at::Tensor layer_norm_backward(const at::Tensor& dy, const LayerNormSaved& saved, const Affine& layer) {
  auto [dx, dweight, dbias] = at::native_layer_norm_backward(dy, saved.x, {saved.x.size(-1)}, saved.mean, saved.rstd,
                                                             layer.weight, layer.bias, {true, true, true});
  layer.weight_gradient.add_(dweight);
  layer.bias_gradient.add_(dbias);
  return dx;
}

}  // namespace msn
