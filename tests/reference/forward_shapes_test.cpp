// SPDX-License-Identifier: Apache-2.0
// Forward passes of published sizes against the official code's: class tokens before and after the final norm, and the
// head's output, of a masked image of the full size and of a small one with resampled positions.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

#include "base/hdf5.hpp"
#include "model/head.hpp"
#include "model/patches.hpp"
#include "model/trunk.hpp"
#include "reference/procedural_values.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

TEST(ProceduralValues, AreThoseOfTheRecording) {
  const h5::File file(test::golden("forward_shapes.h5"), h5::Mode::read);
  const std::uint64_t positions = reference::fnv1a("pos_embed");
  EXPECT_EQ(positions, 0x299f5568d6876bafu);
  EXPECT_EQ(positions, file.read<std::uint64_t>("check/fnv1a64_pos_embed").at(0));
  EXPECT_EQ(reference::procedural_number(positions, 0), -0.5438627425899283);
  EXPECT_EQ(reference::procedural_number(positions, 1), 0.015120606307831075);
  EXPECT_EQ(reference::procedural_number(positions, 2), 0.9982141966916722);
  const std::uint64_t qkv = reference::fnv1a("blocks.0.attn.qkv.weight");
  EXPECT_EQ(reference::procedural_number(qkv, 0), 0.4673161117495188);
  EXPECT_EQ(reference::procedural_number(qkv, 1), -0.19818978616746974);
  const std::vector<double> pixels = file.read<double>("check/image224_first8");
  const at::Tensor image = reference::procedural_image(224).flatten();
  ASSERT_EQ(pixels.size(), 8u);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    EXPECT_EQ(image[static_cast<std::int64_t>(i)].item<double>(), pixels[i]);
}

/// The head with batch norms that use their running statistics, here as new: mean 0, variance 1.
at::Tensor head_of_new_statistics(const Head& head, const at::Tensor& x) {
  const double inverse_std = 1 / std::sqrt(1 + kBatchNormEps);
  const auto layer = [&](const at::Tensor& in, const Linear& linear, const Affine& norm) {
    return at::gelu(at::linear(in, linear.weight, linear.bias) * inverse_std * norm.weight + norm.bias);
  };
  const at::Tensor second = layer(layer(x, head.fc1, head.bn1), head.fc2, head.bn2);
  return at::linear(second, head.fc3.weight, head.fc3.bias);
}

class ForwardShapes : public testing::TestWithParam<std::tuple<std::string, at::ScalarType>> {};

TEST_P(ForwardShapes, MatchTheOfficialCode) {
  const at::NoGradGuard no_autograd;
  const auto& [tag, type] = GetParam();
  const double limit = type == at::kDouble ? 1e-9 : 1e-4;  // Of the largest difference over the largest value.
  const h5::File file(test::golden("forward_shapes.h5"), h5::Mode::read);
  VitShape shape;
  shape.width = file.int_attribute(tag, "dim");
  shape.depth = file.int_attribute(tag, "depth");
  shape.heads = file.int_attribute(tag, "heads");
  shape.patch = file.int_attribute(tag, "patch");
  shape.grid = 224 / shape.patch;
  shape.head_hidden = file.int_attribute(tag, "hidden");
  shape.head_out = file.int_attribute(tag, "out");
  const Parameters parameters(encoder_tensors(shape), type, Parameters::Gradients::none);
  reference::fill_procedurally(parameters);
  const Trunk trunk(parameters, shape);
  const Head head(parameters);

  for (const std::int64_t size : {224, 96}) {
    const std::string group = tag + (size == 224 ? "/img224_masked" : "/img96");
    ViewGroup view;
    view.grid = size / shape.patch;
    view.patches = patch_rows(reference::procedural_image(size), shape.patch).to(type);
    if (size == 224) {
      std::vector<std::int64_t> keep = file.read<std::int64_t>(tag + "/keep");
      for (std::size_t i = 0; i < keep.size(); ++i)
        ASSERT_EQ(keep[i], (5 + 37 * static_cast<std::int64_t>(i)) % (view.grid * view.grid));
      view.keep = at::from_blob(keep.data(), {static_cast<std::int64_t>(keep.size())}, at::kLong).clone();
      view.patches = view.patches.index_select(1, view.keep);
    }
    ASSERT_EQ(view.tokens(), file.int_attribute(group, "tokens"));
    const auto compare = [&](const at::Tensor& got, const char* what) {
      std::vector<double> values = file.read<double>(group + "/" + what);
      const at::Tensor want = at::from_blob(values.data(), {1, static_cast<std::int64_t>(values.size())}, at::kDouble);
      ASSERT_EQ(got.sizes(), want.sizes()) << what;
      const double error = ((got.to(at::kDouble) - want).abs().max() / want.abs().max()).item<double>();
      EXPECT_LE(error, limit) << group << "/" << what;
      std::printf("%s/%s: %.1e\n", group.c_str(), what, error);
    };
    const at::Tensor before = trunk.forward({view}, nullptr, ClassToken::before_norm);
    const at::Tensor after = at::layer_norm(before, {before.size(1)}, parameters.value("norm.weight"),
                                            parameters.value("norm.bias"), kLayerNormEps);
    compare(before, "cls_before_norm");
    compare(after, "cls_after_norm");
    compare(head_of_new_statistics(head, after), "head");
    // The two choices differ by the norm alone. Once is enough: the large models take seconds a pass.
    if (tag == "s16") {
      const at::Tensor difference = trunk.forward({view}, nullptr) - after;
      EXPECT_LE((difference.abs().max() / after.abs().max()).item<double>(), limit);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ForwardShapes,
                         testing::Combine(testing::Values("s16", "b4", "l7"), testing::Values(at::kFloat, at::kDouble)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + (std::get<1>(info.param) == at::kFloat ? "_fp32" : "_fp64");
                         });

}  // namespace
}  // namespace msn
