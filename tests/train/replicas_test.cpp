// SPDX-License-Identifier: Apache-2.0
#include "train/replicas.hpp"

#include <string>
#include <vector>

#include "support/mpi.hpp"
#include "train/tiny_state.hpp"

namespace msn {
namespace {

TEST(CheckReplicas, AcceptsEqualState) {
  TrainState state = test::tiny_state(7);
  EXPECT_NO_THROW(check_replicas(test::world(), state));
}

/// What check_replicas says; every rank must hear the same.
std::string found(TrainState& state) {
  std::string message;
  try {
    check_replicas(test::world(), state);
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::numerics);
    message = error.what();
  }
  for (const std::string& other : test::world().gather(message))
    EXPECT_EQ(other, message);
  return message;
}

/// Changes one value on the last rank and expects every rank to hear of `tensor`.
void expect_found(TrainState& state, const at::Tensor& values, const std::string& tensor) {
  const World& world = test::world();
  if (world.size() == 1) return;  // Nothing to differ from; AcceptsEqualState covers this world.
  const std::string last = std::to_string(world.size() - 1);
  if (std::to_string(world.rank()) == last) values.flatten()[0].add_(1e-6);
  const std::string message = found(state);
  EXPECT_EQ(message.find("rank " + last + " differs from rank 0 in " + tensor + " after step 7 (host "), 0u) << message;
}

TEST(CheckReplicas, NamesTheTensorOfAnyGroup) {
  TrainState a = test::tiny_state(7), b = test::tiny_state(7), c = test::tiny_state(7), d = test::tiny_state(7),
             e = test::tiny_state(7), f = test::tiny_state(7);
  expect_found(a, a.online.value("pos_embed"), "online.pos_embed");
  expect_found(b, b.online.value("prototypes"), "online.prototypes");
  expect_found(c, c.target.value("norm.weight"), "target.norm.weight");
  expect_found(d, Parameters::view(d.exp_avg, d.online.segment("norm.bias")), "adam.exp_avg.norm.bias");
  expect_found(e, e.exp_avg_sq, "adam.exp_avg_sq.cls_token");
  expect_found(f, f.target_buffers.bn2.running_var, "target.fc.bn2.running_var");
}

TEST(CheckReplicas, NamesEveryRankThatDiffersFromMost) {
  const World& world = test::world();
  if (world.size() < 3) return;
  TrainState state = test::tiny_state(7);
  // All but two ranks agree; with three ranks, none does.
  const bool differs = world.rank() == 0 || world.rank() == 2;
  if (differs) {
    state.online.value("norm.bias")[0].fill_(world.rank() + 1);
    state.target.value("norm.bias")[0].fill_(world.rank() + 1);
  }
  const std::string message = found(state);
  const std::string expected = world.size() == 3 ? "ranks 1, 2 differ from rank 0" : "ranks 0, 2 differ from rank 1";
  EXPECT_EQ(message.find(expected + " in online.norm.bias and 1 more tensor after step 7 (host"), 0u) << message;
}

}  // namespace
}  // namespace msn
