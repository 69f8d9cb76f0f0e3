// SPDX-License-Identifier: Apache-2.0
#include "evaluate/classifier.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <cstdlib>
#include <span>
#include <string>

#include "base/error.hpp"
#include "base/random.hpp"
#include "kernels/adamw.hpp"
#include "model/patches.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

constexpr double kStandardDeviation = 2e-5;
constexpr std::string_view kHead = "fc.";  // MSN's projection head, which classification has no use for.
constexpr std::string_view kBlocks = "blocks.";

bool begins_with(std::string_view name, std::string_view start) {
  return name.substr(0, start.size()) == start;
}

std::vector<NamedShape> classifier_tensors(const VitShape& shape, int classes) {
  std::vector<NamedShape> tensors;
  for (NamedShape& tensor : encoder_tensors(shape)) {
    if (!begins_with(tensor.name, kHead)) tensors.push_back(std::move(tensor));
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

template <class T>
void adamw(const Parameters& parameters, const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq,
           const std::vector<kernels::UpdateRange>& ranges, const kernels::AdamWStep& step) {
  kernels::adamw_ema<T>(span_of<T>(parameters.values()), span_of<T>(parameters.gradients()), span_of<T>(exp_avg),
                        span_of<T>(exp_avg_sq), {}, ranges, step);
}

}  // namespace

Classifier::Classifier(const Parameters& trunk, const VitShape& shape, int classes, std::uint64_t seed)
    : shape_(shape),
      parameters_(
          std::make_unique<Parameters>(classifier_tensors(shape, classes), trunk.type(), Parameters::Gradients::with)),
      trunk_(std::make_unique<Trunk>(*parameters_, shape)),
      classifier_(*parameters_, "classifier") {
  for (const Segment& segment : parameters_->segments()) {
    if (begins_with(segment.name, "classifier.")) continue;
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

std::int64_t layer_of(std::string_view name, std::int64_t depth) {
  if (name == "cls_token" || name == "pos_embed" || begins_with(name, "patch_embed.")) return 0;
  if (begins_with(name, kBlocks)) return 1 + std::strtoll(name.data() + kBlocks.size(), nullptr, 10);
  return depth + 1;
}

LayerwiseAdamW::LayerwiseAdamW(const Classifier& classifier)
    : classifier_(classifier),
      exp_avg_(at::zeros_like(classifier.parameters().values())),
      exp_avg_sq_(at::zeros_like(classifier.parameters().values())) {}

void LayerwiseAdamW::step(const LayerwiseStep& options) {
  ++count_;
  const Parameters& parameters = classifier_.parameters();
  const std::int64_t top = classifier_.shape().depth + 1;
  std::vector<std::vector<kernels::UpdateRange>> ranges(static_cast<std::size_t>(top) + 1);
  for (const Segment& segment : parameters.segments()) {
    const bool decays = segment.shape.size() > 1 && segment.name != "cls_token" && segment.name != "pos_embed";
    ranges[static_cast<std::size_t>(layer_of(segment.name, top - 1))].push_back(
        {segment.offset, segment.offset + segment.elements, decays});
  }
  for (std::int64_t layer = 0; layer <= top; ++layer) {
    kernels::AdamWStep step;
    step.lr = options.lr * std::pow(options.layer_decay, static_cast<double>(top - layer));
    step.weight_decay = options.weight_decay;
    step.count = count_;
    const auto& of_layer = ranges[static_cast<std::size_t>(layer)];
    if (parameters.type() == at::kFloat) {
      adamw<float>(parameters, exp_avg_, exp_avg_sq_, of_layer, step);
    } else {
      adamw<double>(parameters, exp_avg_, exp_avg_sq_, of_layer, step);
    }
  }
}

}  // namespace msn
