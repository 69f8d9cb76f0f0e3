// SPDX-License-Identifier: Apache-2.0
#include "evaluate/linear_probe.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/native_layer_norm.h>
#include <ATen/ops/native_layer_norm_backward.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "base/error.hpp"
#include "base/random.hpp"

namespace msn {
namespace {

constexpr double kProbeNormEps = 1e-5;  // LibTorch's default, unlike the trunk's 1e-6.
constexpr double kLeastLength = 1e-12;
constexpr double kStandardDeviation = 0.01;

}  // namespace

LinearProbe::LinearProbe(std::int64_t width, int classes, at::ScalarType type)
    : parameters_({{"norm.weight", {width}},
                   {"norm.bias", {width}},
                   {"linear.weight", {classes, width}},
                   {"linear.bias", {classes}}},
                  type, Parameters::Gradients::with) {}

void LinearProbe::initialise(std::uint64_t seed) const {
  const at::Tensor weight = parameters_.value("linear.weight");
  const at::Tensor drawn = at::empty(weight.sizes(), at::kDouble);
  RandomStream stream(seed, "probe.linear.weight", Purpose::init);
  double* out = drawn.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < drawn.numel(); ++i)
    out[i] = kStandardDeviation * stream.normal();
  weight.copy_(drawn);
  parameters_.value("linear.bias").zero_();
  parameters_.value("norm.weight").fill_(1);
  parameters_.value("norm.bias").zero_();
}

LinearProbe::Forward LinearProbe::forward(const at::Tensor& features) const {
  Forward f;
  std::tie(f.normed, f.mean, f.rstd) = at::native_layer_norm(
      features, {features.size(1)}, parameters_.value("norm.weight"), parameters_.value("norm.bias"), kProbeNormEps);
  f.length = f.normed.norm(2, {1}, true).clamp_min_(kLeastLength);
  f.unit = f.normed / f.length;
  f.scores = at::addmm(parameters_.value("linear.bias"), f.unit, parameters_.value("linear.weight").t());
  return f;
}

at::Tensor LinearProbe::scores(const at::Tensor& features) const {
  return forward(features.to(parameters_.type())).scores;
}

double LinearProbe::add_gradients(const at::Tensor& features, std::span<const std::int32_t> labels,
                                  std::int64_t batch) const {
  MSN_CHECK(static_cast<std::size_t>(features.size(0)) == labels.size());
  if (labels.empty()) return 0;
  const at::Tensor x = features.to(parameters_.type());
  const Forward f = forward(x);
  const at::Tensor label = at::empty({x.size(0), 1}, at::kLong);
  std::copy(labels.begin(), labels.end(), label.mutable_data_ptr<std::int64_t>());
  const at::Tensor log_probabilities = at::log_softmax(f.scores, 1);
  const double loss = -log_probabilities.gather(1, label).sum(at::kDouble).item<double>();

  const at::Tensor minus_one = at::zeros({x.size(0), 1}, x.options()).fill_(-1);
  const at::Tensor dscores = log_probabilities.exp().scatter_add_(1, label, minus_one).div_(static_cast<double>(batch));
  parameters_.gradient("linear.weight").addmm_(dscores.t(), f.unit);
  parameters_.gradient("linear.bias").add_(dscores.sum(0));
  const at::Tensor dunit = at::mm(dscores, parameters_.value("linear.weight"));
  const at::Tensor dnormed = (dunit - f.unit * (dunit * f.unit).sum(1, true)) / f.length;
  const auto [dx, dweight, dbias] =
      at::native_layer_norm_backward(dnormed, x, {x.size(1)}, f.mean, f.rstd, parameters_.value("norm.weight"),
                                     parameters_.value("norm.bias"), std::array<bool, 3>{false, true, true});
  parameters_.gradient("norm.weight").add_(dweight);
  parameters_.gradient("norm.bias").add_(dbias);
  return loss;
}

void sgd_step(const Parameters& parameters, const at::Tensor& buffer, const SgdStep& step) {
  const at::Tensor gradients = parameters.gradients().clone();
  if (step.weight_decay != 0) {
    for (const Segment& segment : parameters.segments()) {
      if (segment.shape.size() > 1)
        Parameters::view(gradients, segment).add_(parameters.value(segment.name), step.weight_decay);
    }
  }
  // What the buffer gathers: gradients, or steps.
  const bool steps = step.rule == NesterovRule::official;
  buffer.mul_(step.momentum).add_(gradients, steps ? step.lr : 1.0);
  parameters.values().add_(gradients, -step.lr).add_(buffer, -step.momentum * (steps ? 1.0 : step.lr));
}

}  // namespace msn
