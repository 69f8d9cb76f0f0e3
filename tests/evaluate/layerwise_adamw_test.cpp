// SPDX-License-Identifier: Apache-2.0
#include "evaluate/layerwise_adamw.hpp"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "evaluate/tiny_network.hpp"

namespace msn {
namespace {

TEST(LayerwiseAdamW, KnowsTheLayerOfEachParameter) {
  EXPECT_EQ(layer_of("cls_token", 12), 0);
  EXPECT_EQ(layer_of("pos_embed", 12), 0);
  EXPECT_EQ(layer_of("patch_embed.proj.weight", 12), 0);
  EXPECT_EQ(layer_of("blocks.0.norm1.weight", 12), 1);
  EXPECT_EQ(layer_of("blocks.11.mlp.fc2.bias", 12), 12);
  EXPECT_EQ(layer_of("norm.weight", 12), 13);
  EXPECT_EQ(layer_of("classifier.bias", 12), 13);
}

// The first step of Adam moves by lr g / (|g| + eps), whatever the size of g.
TEST(LayerwiseAdamW, MovesLowerLayersLessAndDecaysMatricesOnly) {
  const VitShape shape = tiny();
  const Classifier classifier(network(shape), shape, 3, 1);
  const Parameters& parameters = classifier.parameters();
  parameters.gradients().fill_(0.5);
  const at::Tensor before = parameters.values().clone();
  LayerwiseAdamW optimizer(classifier);
  const LayerwiseStep step{.lr = 1e-2, .weight_decay = 0.3, .layer_decay = 0.5};
  optimizer.step(step);
  for (const Segment& segment : parameters.segments()) {
    const double lr = 1e-2 * std::pow(0.5, static_cast<double>(3 - layer_of(segment.name, 2)));
    const bool decays = segment.shape.size() > 1 && segment.name != "cls_token" && segment.name != "pos_embed";
    const at::Tensor old = Parameters::view(before, segment);
    const at::Tensor want = old * (decays ? 1 - lr * 0.3 : 1.0) - lr;
    EXPECT_LE((parameters.value(segment.name) - want).abs().max().item<double>(), 1e-9) << segment.name;
  }
  // The second step counts on.
  const at::Tensor after = parameters.values().clone();
  parameters.gradients().zero_();
  optimizer.step(step);
  const double first = 0.9 * 0.1 * 0.5 / (1 - 0.81), second = 0.999 * 0.001 * 0.25 / (1 - 0.999 * 0.999);
  const at::Tensor moved =
      parameters.value("classifier.bias") - Parameters::view(after, parameters.segment("classifier.bias"));
  EXPECT_NEAR(moved[0].item<double>(), -1e-2 * first / (std::sqrt(second) + 1e-8), 1e-10);
}

}  // namespace
}  // namespace msn
