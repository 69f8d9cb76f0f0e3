// SPDX-License-Identifier: Apache-2.0
// Class tokens of any block against a network that ends there.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "model/initialise.hpp"
#include "model/trunk.hpp"
#include "support/made_up.hpp"

namespace msn {
namespace {

using test::made_up;
using test::relative_error;

VitShape shape(std::int64_t depth) {
  VitShape shape;
  shape.width = 24;
  shape.depth = depth;
  shape.heads = 3;
  shape.patch = 4;
  shape.grid = 3;
  shape.head_hidden = 8;
  shape.head_out = 8;
  return shape;
}

/// The first `depth` blocks of one network: a tensor's values depend on its name alone.
class Network {
 public:
  explicit Network(std::int64_t depth)
      : parameters_(encoder_tensors(shape(depth)), at::kDouble, Parameters::Gradients::none),
        trunk_(parameters_, shape(depth)) {
    initialise(parameters_, 3);
    for (const Segment& segment : parameters_.segments()) {
      if (segment.shape.size() == 1) parameters_.value(segment.name).add_(made_up(segment.shape, at::kDouble, 7), 0.3);
    }
  }
  const Trunk& trunk() const { return trunk_; }

 private:
  Parameters parameters_;
  Trunk trunk_;
};

ViewGroups views() {
  ViewGroup group;
  group.patches = made_up({5, 9, shape(1).patch_values()}, at::kDouble, 1);
  group.grid = 3;
  return {group};
}

TEST(ClassTokens, OfABlockAreThoseOfANetworkThatEndsThere) {
  const at::NoGradGuard no_autograd;
  const Network whole(4);
  for (const ClassToken where : {ClassToken::before_norm, ClassToken::after_norm}) {
    for (std::int64_t layer = 1; layer <= 4; ++layer) {
      const at::Tensor want = Network(layer).trunk().forward(views(), nullptr, where);
      const at::Tensor got = whole.trunk().class_tokens(views(), {where, layer, 1});
      EXPECT_LE(relative_error(got, want), 1e-13) << "layer " << layer;
    }
    EXPECT_TRUE(
        at::equal(whole.trunk().class_tokens(views(), {where, 0, 1}), whole.trunk().forward(views(), nullptr, where)));
  }
}

TEST(ClassTokens, OfSeveralBlocksStandSideBySideInOrder) {
  const at::NoGradGuard no_autograd;
  const Network whole(4);
  for (const ClassToken where : {ClassToken::before_norm, ClassToken::after_norm}) {
    const at::Tensor of_three = whole.trunk().class_tokens(views(), {where, 0, 3});
    ASSERT_EQ(of_three.sizes(), (at::IntArrayRef{5, 3 * 24}));
    for (std::int64_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::equal(of_three.narrow(1, i * 24, 24), whole.trunk().class_tokens(views(), {where, 2 + i, 1})));
    }
    EXPECT_TRUE(at::equal(whole.trunk().class_tokens(views(), {where, 3, 2}), of_three.narrow(1, 0, 2 * 24)));
  }
}

}  // namespace
}  // namespace msn
