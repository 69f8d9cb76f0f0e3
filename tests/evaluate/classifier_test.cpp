// SPDX-License-Identifier: Apache-2.0
#include "evaluate/classifier.hpp"

#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "evaluate/mixing.hpp"
#include "evaluate/tiny_network.hpp"
#include "support/made_up.hpp"

namespace msn {
namespace {

TEST(Classifier, TakesTheTrunkAndDrawsTheNewLayer) {
  const VitShape shape = tiny();
  const Parameters trunk = network(shape);
  const Classifier classifier(trunk, shape, 5, 1);
  for (const char* name : {"cls_token", "pos_embed", "blocks.1.mlp.fc2.weight", "norm.bias"})
    EXPECT_TRUE(classifier.parameters().value(name).equal(trunk.value(name))) << name;
  const at::Tensor weight = classifier.parameters().value("classifier.weight");
  EXPECT_GT(weight.abs().max().item<double>(), 1e-5);
  EXPECT_LT(weight.abs().max().item<double>(), 1e-4);
  const at::Tensor images = test::made_up({3, 3, 16, 16}, at::kFloat, 2);
  EXPECT_EQ(classifier.scores(images).sizes(), (std::vector<std::int64_t>{3, 5}));
  // Of another size: positions are resampled.
  EXPECT_EQ(classifier.scores(test::made_up({3, 3, 24, 24}, at::kFloat, 2)).sizes(), (std::vector<std::int64_t>{3, 5}));
}

/// Central differences of the loss at some elements of every tensor, with mixed targets and a dropped branch.
TEST(Classifier, GradientsAreThoseOfTheLoss) {
  const VitShape shape = tiny();
  const Parameters trunk = network(shape);
  const Classifier classifier(trunk, shape, 3, 1);
  const Parameters& parameters = classifier.parameters();
  parameters.value("classifier.weight").mul_(1e4);  // So that gradients reach the trunk.
  const at::Tensor images = test::made_up({4, 3, 16, 16}, at::kDouble, 2);
  Mix mix;
  mix.own = 0.7;
  const at::Tensor targets = mixed_targets(std::vector<std::int32_t>{0, 1, 2, 1}, 3, mix, 0.1);
  const at::Tensor scale = at::empty({2, 2, 4}, at::kDouble).fill_(1);
  scale[1][0][2].fill_(0);
  scale[1][1][0].fill_(1.25);
  constexpr std::int64_t batch = 8;
  const auto loss = [&] {
    return classifier.add_gradients(images, targets, batch, scale) / static_cast<double>(batch);
  };
  parameters.gradients().zero_();
  const double here = loss();
  EXPECT_GT(here, 0);
  const at::Tensor gradients = parameters.gradients().clone();
  for (const Segment& segment : parameters.segments()) {
    const at::Tensor value = parameters.value(segment.name).flatten();
    const at::Tensor gradient = Parameters::view(gradients, segment).flatten();
    for (std::int64_t i = 0; i < segment.elements; i += 1 + segment.elements / 3) {
      const double before = value[i].item<double>();
      constexpr double step = 1e-5;
      value[i].fill_(before + step);
      const double above = loss();
      value[i].fill_(before - step);
      const double below = loss();
      value[i].fill_(before);
      const double want = (above - below) / (2 * step);
      EXPECT_NEAR(gradient[i].item<double>(), want, 3e-8 * (1 + std::abs(want))) << segment.name << " " << i;
    }
  }
}

}  // namespace
}  // namespace msn
