// SPDX-License-Identifier: Apache-2.0
#include "evaluate/classifier.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>

#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/random.hpp"
#include "model/patches.hpp"

namespace msn {
namespace {

constexpr double kStandardDeviation = 2e-5;
constexpr std::string_view kHead = "fc.";  // MSN's projection head, which classification has no use for.

std::vector<NamedShape> classifier_tensors(const VitShape& shape, int classes) {
  std::vector<NamedShape> tensors;
  for (NamedShape& tensor : encoder_tensors(shape)) {
    if (!tensor.name.starts_with(kHead)) tensors.push_back(std::move(tensor));
  }
  tensors.push_back({"classifier.weight", {classes, shape.width}});
  tensors.push_back({"classifier.bias", {classes}});
  return tensors;
}

void draw(const at::Tensor& weight, std::uint64_t seed, std::string_view name) {
  const at::Tensor drawn = at::empty(weight.sizes(), at::kDouble);
  RandomStream stream(seed, name, Purpose::init);
  double* out = drawn.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < drawn.numel(); ++i)
    out[i] = kStandardDeviation * stream.normal();
  weight.copy_(drawn);
}

}  // namespace

Classifier::Classifier(const Parameters& trunk, const VitShape& shape, int classes, std::uint64_t seed)
    : shape_(shape),
      parameters_(
          std::make_unique<Parameters>(classifier_tensors(shape, classes), trunk.type(), Parameters::Gradients::with)),
      trunk_(std::make_unique<Trunk>(*parameters_, shape)),
      classifier_(*parameters_, "classifier") {
  for (const Segment& segment : parameters_->segments()) {
    if (segment.name.starts_with("classifier.")) continue;
    parameters_->value(segment.name).copy_(trunk.value(segment.name));
  }
  draw(classifier_.weight, seed, "classifier.weight");
  classifier_.bias.zero_();
}

ViewGroup Classifier::group(const at::Tensor& images) const {
  ViewGroup group;
  group.patches = patch_rows(images.to(parameters_->type()), shape_.patch);
  group.grid = images.size(2) / shape_.patch;
  return group;
}

at::Tensor Classifier::scores(const at::Tensor& images) const {
  const at::NoGradGuard no_autograd;
  return at::addmm(classifier_.bias, trunk_->forward({group(images)}, nullptr), classifier_.weight.t());
}

double Classifier::add_gradients(const at::Tensor& images, const at::Tensor& targets, std::int64_t batch,
                                 const at::Tensor& branch_scale) const {
  const at::NoGradGuard no_autograd;
  MSN_CHECK(images.size(0) == targets.size(0));
  ViewGroup views = group(images);
  if (branch_scale.defined()) views.branch_scale = branch_scale.to(parameters_->type());
  Tape tape;
  const at::Tensor cls = trunk_->forward({views}, &tape);
  const at::Tensor scores = at::addmm(classifier_.bias, cls, classifier_.weight.t());
  const at::Tensor log_probabilities = at::log_softmax(scores.to(at::kDouble), 1);
  const double loss = -(targets * log_probabilities).sum().item<double>();
  const at::Tensor dscores =
      (log_probabilities.exp() - targets).div_(static_cast<double>(batch)).to(scores.scalar_type());
  classifier_.weight_gradient.addmm_(dscores.t(), cls);
  classifier_.bias_gradient.add_(dscores.sum(0));
  trunk_->backward(at::mm(dscores, classifier_.weight), tape);
  return loss;
}

}  // namespace msn
