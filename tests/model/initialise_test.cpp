// SPDX-License-Identifier: Apache-2.0
#include "model/initialise.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/vit.hpp"

namespace msn {
namespace {

VitShape small() {
  VitShape shape;
  shape.width = 96;
  shape.depth = 2;
  shape.heads = 3;
  shape.patch = 4;
  shape.grid = 8;
  shape.head_hidden = 128;
  shape.head_out = 64;
  return shape;
}

Parameters made(std::uint64_t seed, at::ScalarType type = at::kFloat) {
  auto tensors = encoder_tensors(small());
  tensors.push_back({"prototypes", {100, 64}});
  Parameters parameters(tensors, type, Parameters::Gradients::none);
  initialise(parameters, seed);
  return parameters;
}

TEST(Initialise, HasTheOfficialDistributions) {
  const Parameters parameters = made(3);
  const auto deviation = [&](const char* name) { return parameters.value(name).std().item<double>(); };
  // Standard error of a deviation from n draws is 1/sqrt(2n) of it; five of them.
  EXPECT_NEAR(deviation("blocks.0.attn.qkv.weight"), 0.02, 0.02 * 5 / std::sqrt(2.0 * 288 * 96));
  EXPECT_NEAR(deviation("pos_embed"), 0.02, 0.02 * 5 / std::sqrt(2.0 * 65 * 96));
  EXPECT_NEAR(deviation("patch_embed.proj.weight"), std::sqrt(2.0 / 48),
              std::sqrt(2.0 / 48) * 5 / std::sqrt(2.0 * 4608));
  EXPECT_NEAR(deviation("prototypes"), 0.125 / std::sqrt(3.0), 0.005);
  EXPECT_LE(parameters.value("prototypes").abs().max().item<double>(), 0.125);
  EXPECT_EQ(parameters.value("fc.fc1.bias").abs().max().item<double>(), 0);
  EXPECT_EQ(parameters.value("patch_embed.proj.bias").abs().max().item<double>(), 0);
  for (const char* ones : {"norm.weight", "fc.bn1.weight", "blocks.1.norm2.weight"}) {
    EXPECT_EQ((parameters.value(ones) - 1).abs().max().item<double>(), 0) << ones;
  }
}

TEST(Initialise, IsAFunctionOfSeedAndNameForAnyPrecision) {
  const Parameters a = made(1), b = made(1), c = made(2), d = made(1, at::kDouble);
  EXPECT_TRUE(at::equal(a.values(), b.values()));
  EXPECT_FALSE(at::equal(a.value("prototypes"), c.value("prototypes")));
  EXPECT_FALSE(at::equal(a.value("blocks.0.attn.proj.weight"), a.value("blocks.1.attn.proj.weight")));
  EXPECT_TRUE(at::equal(a.value("pos_embed"), d.value("pos_embed").to(at::kFloat)));
}

}  // namespace
}  // namespace msn
