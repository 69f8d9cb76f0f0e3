// SPDX-License-Identifier: Apache-2.0
#include "evaluate/layerwise_adamw.hpp"

#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "kernels/adamw.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

constexpr std::string_view kBlocks = "blocks.";

template <class T>
void adamw(const Parameters& parameters, const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq,
           const std::vector<kernels::UpdateRange>& ranges, const kernels::AdamWStep& step) {
  kernels::adamw_ema<T>(span_of<T>(parameters.values()), span_of<T>(parameters.gradients()), span_of<T>(exp_avg),
                        span_of<T>(exp_avg_sq), {}, ranges, step);
}

}  // namespace

std::int64_t layer_of(std::string_view name, std::int64_t depth) {
  if (name == "cls_token" || name == "pos_embed" || name.starts_with("patch_embed.")) return 0;
  if (name.starts_with(kBlocks)) return 1 + std::strtoll(name.data() + kBlocks.size(), nullptr, 10);
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
