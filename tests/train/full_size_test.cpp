// SPDX-License-Identifier: Apache-2.0
// One real step of a published model, with its published views and mask: the loss and the gradients are finite and the
// memory stays within a workstation's. One model a process, so that its peak memory is its own.
#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "comm/mpi_communicator.hpp"
#include "config/config.hpp"
#include "data/synthetic_batches.hpp"
#include "support/mpi.hpp"
#include "train/batch_tensors.hpp"
#include "train/step.hpp"
#include "train/threads.hpp"

namespace msn {
namespace {

constexpr int kBatch = 2;
constexpr int kLongestGrid = 28;  ///< With more patches a side, focal views alone would take minutes: two of ten do.
constexpr double kMemoryLimitGib = 20;

double peak_memory_gib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / (1024.0 * 1024.0);
}

/// Weights of the size of initialise()'s, drawn faster: its streams take a minute for the largest models.
void draw_weights(TrainState& state) {
  at::manual_seed(5);
  for (const Segment& segment : state.online.segments()) {
    const at::Tensor weights = state.online.value(segment.name);
    if (segment.shape.size() > 1) {
      weights.normal_(0, 0.02);
    } else {
      weights.fill_(segment.name.ends_with(".weight") ? 1 : 0);
    }
  }
  state.target.values().copy_(state.online.values().narrow(0, 0, state.target.values().numel()));
}

class FullSize : public testing::TestWithParam<const char*> {};

TEST_P(FullSize, TakesAStep) {
  Config config = load_config(std::string(MSN_CONFIG_DIR) + "/" + GetParam() + ".toml");
  config.train.global_batch = kBatch;
  ASSERT_EQ(config.views.random, 1);
  ASSERT_EQ(config.views.focal, 10);
  if (config.model.image_size / config.model.patch_size > kLongestGrid) config.views.focal = 2;
  set_up_threads(test::world(), 0);
  const MpiCommunicator communicator(test::world());
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
  draw_weights(state);
  const Batch batch =
      SyntheticBatches(config, 10, {.global_batch = kBatch, .patch_size = config.model.patch_size}).next();
  const StepInput input = make_step_input(batch, config, at::kFloat);
  Stepper stepper(state, config, communicator);
  const Schedules schedules(config.optim, config.loss, config.train, 1000);

  const auto start = std::chrono::steady_clock::now();
  const StepReport report = stepper.run(input, schedules.at(0));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

  const LossParts& parts = report.objective.parts;
  std::printf("%s: loss %.4f (cross-entropy %.4f, me-max %.4f), gradient norm %.3f, %.1f s, peak memory %.2f GiB\n",
              GetParam(), parts.loss, parts.cross_entropy, parts.me_max, report.grad_norm, seconds.count(),
              peak_memory_gib());
  // Predictions of drawn weights are nearly uniform, so that both terms are near those of the uniform distribution.
  EXPECT_NEAR(parts.loss, std::log(config.model.prototypes), 1.0);
  EXPECT_TRUE(std::isfinite(report.grad_norm));
  EXPECT_GT(report.grad_norm, 0);
  EXPECT_TRUE(at::isfinite(state.online.gradients()).all().item<bool>());
  for (const Segment& segment : state.online.segments()) {
    const double largest = state.online.gradient(segment.name).abs().max().item<double>();
    // A batch norm takes away what these add to every row: no gradient at all.
    if (segment.name == "fc.fc1.bias" || segment.name == "fc.fc2.bias") {
      EXPECT_EQ(largest, 0) << segment.name;
    } else {
      EXPECT_GT(largest, 0) << segment.name;
    }
  }
  EXPECT_TRUE(at::isfinite(state.online.values()).all().item<bool>());
  EXPECT_LT(peak_memory_gib(), kMemoryLimitGib);
}

INSTANTIATE_TEST_SUITE_P(Models, FullSize,
                         testing::Values("vit_s16", "vit_b16", "vit_b8", "vit_b4", "vit_l16", "vit_l7"),
                         [](const testing::TestParamInfo<const char*>& info) { return std::string(info.param); });

}  // namespace
}  // namespace msn
