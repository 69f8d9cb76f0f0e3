// SPDX-License-Identifier: Apache-2.0
#include "report/last_block.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <string>

#include "model/initialise.hpp"
#include "model/patches.hpp"

namespace msn {
namespace {

VitShape small_shape() {
  VitShape shape;
  shape.width = 24;
  shape.depth = 3;
  shape.heads = 3;
  shape.patch = 4;
  shape.grid = 5;
  shape.head_hidden = 8;
  shape.head_out = 4;
  return shape;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

/// The attention is the one by which the trunk comes from these tokens to its class token.
TEST(LastBlock, SaysHowTheClassTokenIsMade) {
  const VitShape shape = small_shape();
  const Parameters parameters(encoder_tensors(shape), at::kDouble, Parameters::Gradients::none);
  initialise(parameters, 1);
  // Larger than they are drawn, so that attention is far from even; and biases, which are drawn as zeros.
  parameters.values().mul_(6).add_(at::randn(parameters.values().sizes(), parameters.values().options()) * 0.2);
  const Trunk trunk(parameters, shape);
  const at::Tensor images = at::randn({2, 3, 20, 20}, at::kDouble);
  const LastBlock seen = look_at_last_block(trunk, parameters, shape, images);
  ASSERT_EQ(seen.tokens.sizes(), (at::IntArrayRef{2, 26, 24}));
  ASSERT_EQ(seen.attention.sizes(), (at::IntArrayRef{2, 3, 26}));
  EXPECT_LT(largest_difference(seen.attention.sum(-1), at::full({2, 3}, 1.0, at::kDouble)), 1e-12);
  EXPECT_GT(seen.attention.max().item<double>(), 2.0 / 26) << "a test of even attention would prove little";

  const auto value = [&](const char* name) { return parameters.value(std::string("blocks.2.") + name); };
  const at::Tensor values =
      at::linear(seen.normed, value("attn.qkv.weight").narrow(0, 48, 24), value("attn.qkv.bias").narrow(0, 48, 24))
          .reshape({2, 26, 3, 8})
          .transpose(1, 2);
  const at::Tensor mixed = at::matmul(seen.attention.unsqueeze(2), values).squeeze(2).reshape({2, 24});
  at::Tensor x = seen.tokens.select(1, 0) + at::linear(mixed, value("attn.proj.weight"), value("attn.proj.bias"));
  const at::Tensor normed = at::layer_norm(x, {24}, value("norm2.weight"), value("norm2.bias"), kLayerNormEps);
  const at::Tensor hidden = at::gelu(at::linear(normed, value("mlp.fc1.weight"), value("mlp.fc1.bias")));
  x = x + at::linear(hidden, value("mlp.fc2.weight"), value("mlp.fc2.bias"));
  ViewGroup group;
  group.patches = patch_rows(images, 4);
  group.grid = 5;
  const at::Tensor expected = trunk.forward({group}, nullptr, ClassToken::before_norm);
  EXPECT_LT(largest_difference(x, expected), 1e-9 * expected.abs().max().item<double>());
}

TEST(PrincipalColours, AreTheComponentsInTheirOrder) {
  // Along three directions with variances in the ratio 9 : 4 : 1.
  const at::Tensor along = at::randn({500, 3}, at::kDouble);
  at::Tensor rows = at::zeros({500, 8}, at::kDouble);
  rows.select(1, 5).copy_(9 * along.select(1, 0));
  rows.select(1, 1).copy_(4 * along.select(1, 1));
  rows.select(1, 6).copy_(-along.select(1, 2));
  const at::Tensor colours = principal_colours(rows + 100);
  EXPECT_GE(colours.min().item<double>(), 0);
  EXPECT_LE(colours.max().item<double>(), 1);
  const auto correlation = [](const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor x = a - a.mean(), y = b - b.mean();
    return ((x * y).sum() / (x.norm() * y.norm())).item<double>();
  };
  EXPECT_GT(correlation(colours.select(1, 0), along.select(1, 0)), 0.95);
  EXPECT_GT(correlation(colours.select(1, 1), along.select(1, 1)), 0.95);
  EXPECT_LT(correlation(colours.select(1, 2), along.select(1, 2)), -0.95) << "the largest weight is positive";
}

TEST(PrincipalColours, OfRowsAlikeAreGrey) {
  EXPECT_EQ(largest_difference(principal_colours(at::full({10, 4}, 3.0)), at::full({10, 3}, 0.5, at::kDouble)), 0);
  const at::Tensor one_direction = at::randn({50, 1}, at::kDouble).expand({50, 4});
  const at::Tensor colours = principal_colours(one_direction);
  EXPECT_GT(colours.select(1, 0).std().item<double>(), 0.1);
  EXPECT_EQ(largest_difference(colours.narrow(1, 1, 2), at::full({50, 2}, 0.5, at::kDouble)), 0);
}

}  // namespace
}  // namespace msn
