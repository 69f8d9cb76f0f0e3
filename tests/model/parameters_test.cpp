// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "model/vit.hpp"

namespace msn {
namespace {

TEST(Parameters, LayTensorsOnCacheLinesAndShareMemoryWithTheFlatBuffer) {
  const Parameters parameters({{"a", {3}}, {"b", {2, 5}}}, at::kFloat, Parameters::Gradients::with);
  EXPECT_EQ(parameters.segment("b").offset, 16);
  EXPECT_EQ(parameters.values().numel(), 32);
  EXPECT_EQ(parameters.count(), 13);
  parameters.value("b").fill_(2);
  EXPECT_EQ(parameters.values().sum().item<float>(), 20);
  EXPECT_EQ(parameters.values().narrow(0, 3, 13).abs().sum().item<float>(), 0);
  EXPECT_EQ(parameters.gradient("b").sizes(), (std::vector<std::int64_t>{2, 5}));
  EXPECT_THROW(parameters.value("c"), Error);
  EXPECT_FALSE(Parameters({{"a", {3}}}, at::kDouble, Parameters::Gradients::none).gradients().defined());
}

// 21,665,664 is the well-known size of a ViT-S/16 trunk without a classifier.
TEST(EncoderTensors, MakeAVitS16) {
  VitShape shape;
  std::int64_t trunk = 0;
  for (const NamedShape& tensor : encoder_tensors(shape)) {
    if (tensor.name.rfind("fc.", 0) == 0) continue;
    std::int64_t elements = 1;
    for (const std::int64_t size : tensor.shape)
      elements *= size;
    trunk += elements;
  }
  EXPECT_EQ(trunk, 21665664);
}

}  // namespace
}  // namespace msn
