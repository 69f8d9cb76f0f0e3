// SPDX-License-Identifier: Apache-2.0
// Head, loss and optimiser of devices need nothing of the host but their shapes and numbers that never change.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/head.hpp"
#include "objective/msn_loss.hpp"
#include "support/host_inputs.hpp"
#include "train/device_optimizer.hpp"
#include "train/finite.hpp"
#include "train/torch_optimizer.hpp"

namespace msn {
namespace {

/// One of several ranks whose messages are never sent.
class Unconnected : public Communicator {
 public:
  int rank() const override { return 1; }
  int size() const override { return 3; }
  std::unique_ptr<Work> start_sum(const at::Tensor& tensor, const std::string&) const override {
    EXPECT_TRUE(tensor.is_contiguous());
    return std::make_unique<Nothing>();
  }
  std::unique_ptr<Work> start_gather(const at::Tensor& tensor, const at::Tensor&, const std::string&) const override {
    EXPECT_TRUE(tensor.is_contiguous());
    return std::make_unique<Nothing>();
  }

 private:
  struct Nothing : Work {
    void wait() override {}
  };
};

VitShape shape() {
  VitShape shape;
  shape.width = 16;
  shape.depth = 1;
  shape.heads = 2;
  shape.patch = 4;
  shape.grid = 2;
  shape.head_hidden = 24;
  shape.head_out = 8;
  return shape;
}

constexpr std::int64_t kPrototypes = 12, kImages = 4, kFocalViews = 2;

at::Tensor on_device(at::IntArrayRef sizes) {
  return at::empty(sizes, at::TensorOptions().device(at::kMeta).dtype(at::kDouble));
}

/// A step from the class tokens to the decision on its update.
void take_step(const LossConfig& config) {
  const at::NoGradGuard no_autograd;
  const Unconnected communicator;
  TrainState state(shape(), kPrototypes, at::kDouble, at::kMeta);
  OptimizerOptions options;
  options.clip = 3;
  options.ranks = communicator.size();
  const DeviceOptimizer optimizer(state, options);
  const Head online(state.online), target(state.target);
  const at::Tensor x = on_device({kImages * (1 + kFocalViews), shape().width});
  const at::Tensor of_target = on_device({kImages, shape().width});
  const at::Tensor prior = on_device({kPrototypes}), sharpen = on_device({}),
                   scalars = on_device({kernels::kUpdateScalars});
  const at::Tensor flags = on_device({1});

  const test::HostInputs host;
  HeadTape tapes[2];
  std::vector<HeadGroup> groups{
      {&online, &state.online_buffers, x.narrow(0, 0, kImages), &tapes[0]},
      {&online, &state.online_buffers, x.narrow(0, kImages, kFocalViews * kImages), &tapes[1]},
      {&target, &state.target_buffers, of_target, nullptr}};
  const std::vector<at::Tensor> embeddings = heads_forward(groups, communicator);
  groups.pop_back();
  const LossResult loss = msn_loss(at::cat({embeddings[0], embeddings[1]}), embeddings[2],
                                   state.online.value("prototypes"), sharpen, config, prior, communicator);
  flags.copy_(not_finite_flag(loss.values));
  state.online.gradient("prototypes").copy_(loss.dprototypes);
  const std::vector<at::Tensor> dx = heads_backward(
      groups, {loss.dz.narrow(0, 0, kImages), loss.dz.narrow(0, kImages, kFocalViews * kImages)}, communicator);
  EXPECT_EQ(dx[1].sizes(), groups[1].x.sizes());
  optimizer.decide(scalars, torch_gradient_norms(state, options), flags);
  EXPECT_EQ(*host, std::set<std::string>{});
  EXPECT_GT(host.operators(), 100u);
}

TEST(NoHostWait, UntilTheUpdateIsDecided) {
  for (const int sinkhorn : {0, 3}) {
    for (const double smoothing : {0.0, 0.1}) {
      for (const double entropy : {0.0, 0.5}) {
        LossConfig config;
        config.sinkhorn = sinkhorn;
        config.label_smoothing = smoothing;
        config.entropy = entropy;
        take_step(config);
      }
    }
  }
}

/// What reads a number of a tensor into the program.
constexpr const char* kRead = "aten::_local_scalar_dense";

// at::where does not know the device "meta".
TEST(NoHostWait, InAnUpdate) {
  const at::NoGradGuard no_autograd;
  TrainState state(shape(), kPrototypes, at::kFloat);
  const WeightShadows shadows{state.online.values().to(at::kBFloat16), state.target.values().to(at::kBFloat16)};
  OptimizerOptions options;
  options.ranks = 2;
  const std::vector<kernels::UpdateRange> ranges = update_ranges(state, options, 1);
  const at::Tensor scalars = tensor_of(update_scalars({}, 1));
  const test::HostInputs host;
  const BufferSnapshot before(state);
  torch_update_state(state, ranges, scalars, shadows);
  before.restore_unless(scalar_at(scalars, offsetof(kernels::UpdateScalars, alive)));
  EXPECT_GT(host.operators(), 50u);
  EXPECT_FALSE((*host).contains(kRead));
}

TEST(HostInputs, SeesWhatComesFromTheHost) {
  const at::Tensor there = on_device({3}), here = at::empty({3}, at::kDouble);
  {
    const test::HostInputs host;
    there.add(1).mul_(there).fill_(2);
    EXPECT_EQ(*host, std::set<std::string>{});
    there.copy_(here);
    EXPECT_TRUE((*host).contains("aten::copy_"));
  }
  EXPECT_ANY_THROW(there.sum().item<double>());
  const test::HostInputs host;
  here.fill_(1).sum().item<double>();
  EXPECT_TRUE((*host).contains(kRead));
}

}  // namespace
}  // namespace msn
