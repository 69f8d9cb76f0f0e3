// SPDX-License-Identifier: Apache-2.0
#include "train/replicas.hpp"

#include <string>

#include "support/mpi.hpp"

namespace msn {
namespace {

TrainState tiny_state() {
  VitShape shape;
  shape.width = 16;
  shape.depth = 1;
  shape.heads = 2;
  shape.patch = 4;
  shape.grid = 2;
  shape.head_hidden = 8;
  shape.head_out = 4;
  TrainState state(shape, 3, at::kFloat);
  state.initialise(1);
  return state;
}

TEST(CheckReplicas, AcceptsEqualState) {
  TrainState state = tiny_state();
  EXPECT_NO_THROW(check_replicas(test::world(), state));
}

/// Changes one value on the last rank and expects every rank to hear of `group`.
void expect_found(TrainState& state, const at::Tensor& values, const std::string& group) {
  const World& world = test::world();
  if (world.size() == 1) return;  // Nothing to differ from; AcceptsEqualState covers this world.
  if (world.rank() == world.size() - 1) values.flatten()[0].add_(1e-6);
  std::string message;
  try {
    check_replicas(world, state);
  } catch (const AgreedError& error) {
    message = error.what();
  }
  EXPECT_NE(message.find(group + "* differ"), std::string::npos) << message;
  EXPECT_NE(message.find("rank " + std::to_string(world.size() - 1)), std::string::npos) << message;
}

TEST(CheckReplicas, FindsAChangedValueInEveryGroup) {
  TrainState a = tiny_state(), b = tiny_state(), c = tiny_state(), d = tiny_state(), e = tiny_state(), f = tiny_state();
  expect_found(a, a.online.value("pos_embed"), "online.");
  expect_found(b, b.online.value("prototypes"), "online.prototypes");
  expect_found(c, c.target.value("norm.weight"), "target.");
  expect_found(d, d.exp_avg, "adam.exp_avg.");
  expect_found(e, e.exp_avg_sq, "adam.exp_avg_sq.");
  expect_found(f, f.target_buffers.bn2.running_var, "target.");
}

}  // namespace
}  // namespace msn
