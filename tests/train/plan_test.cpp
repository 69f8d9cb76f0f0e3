// SPDX-License-Identifier: Apache-2.0
#include "train/plan.hpp"

#include <ATen/record_function.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "comm/mpi_communicator.hpp"
#include "data/synthetic_batches.hpp"
#include "model/cost.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"
#include "train/batch_tensors.hpp"
#include "train/setup.hpp"
#include "train/step.hpp"

namespace msn {
namespace {

constexpr std::uint64_t kImageNet = 1281167;

double operations_of_products = 0;

/// Adds up every matrix product that LibTorch runs, by the shapes of its inputs.
std::unique_ptr<at::ObserverContext> count_product(const at::RecordFunction& function) {
  const std::string_view name = function.name();
  const bool adds = name == "aten::addmm";
  if (!adds && name != "aten::mm" && name != "aten::bmm") return nullptr;
  const auto inputs = function.inputs();
  const auto a = inputs[adds ? 1 : 0].toTensor().sizes(), b = inputs[adds ? 2 : 1].toTensor().sizes();
  double operations = 2.0 * static_cast<double>(b.back());
  for (const std::int64_t size : a)
    operations *= static_cast<double>(size);
  operations_of_products += operations;
  return nullptr;
}

Config tiny() {
  Config config;
  config.views.random = 2;
  config.views.focal = 3;
  config.views.random_size = 20;
  config.views.focal_size = 9;  // Two patches a side, one pixel left over.
  config.views.mask_ratio = 0.3;
  config.model.arch = "custom";
  config.model.width = 24;
  config.model.depth = 3;
  config.model.heads = 2;
  config.model.patch_size = 4;
  config.model.image_size = 20;
  config.model.head_hidden = 40;
  config.model.head_out = 12;
  config.model.prototypes = 10;
  config.train.global_batch = 6;
  config.train.epochs = 20;
  return config;
}

StepInput made_up_input(const Config& config) {
  const Batch batch = SyntheticBatches(config, 6, {.global_batch = 6, .patch_size = 4}).next();
  return make_step_input(batch, config, at::kDouble);  // A copy, for it changes the type.
}

TEST(Plan, CountsTheOperationsThatAStepRuns) {
  const Config config = tiny();
  const RunPlan plan = plan_run(config, 1, 600);
  EXPECT_EQ(plan.target_tokens, 26);
  EXPECT_EQ(plan.random_tokens, 18);
  EXPECT_EQ(plan.focal_tokens, 5);

  // In float64 every product is an operator of LibTorch's own.
  const MpiCommunicator communicator(test::world());
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kDouble);
  state.initialise(1);
  EXPECT_EQ(state.online.count(), plan.trunk_parameters + plan.head_parameters + plan.prototype_parameters);
  const StepInput input = made_up_input(config);
  Stepper stepper(state, config, communicator);
  operations_of_products = 0;
  const auto handle = at::addThreadLocalCallback(at::RecordFunctionCallback(count_product).needsInputs(true));
  EXPECT_TRUE(stepper.run(input, plan.start).finite);
  at::removeCallback(handle);

  // Beside the formula: the focal views' positions, 4 from 25 rows of 24, once forward and once backward.
  const double resampling = 2 * (2.0 * 4 * 25 * 24);
  EXPECT_DOUBLE_EQ(operations_of_products, 6 * plan.image_flops_as_run + resampling);
  EXPECT_LT(plan.image_flops_as_run, plan.image_flops);

  // In two parts the anchors' trunk runs forward twice, and the positions are resampled in each part.
  Config in_parts = config;
  in_parts.train.micro_batch = 3;
  const RunPlan plan_in_parts = plan_run(in_parts, 1, 600);
  Stepper stepper_in_parts(state, in_parts, communicator);
  operations_of_products = 0;
  const auto again = at::addThreadLocalCallback(at::RecordFunctionCallback(count_product).needsInputs(true));
  EXPECT_TRUE(stepper_in_parts.run(input, plan.start).finite);
  at::removeCallback(again);
  EXPECT_DOUBLE_EQ(operations_of_products, 6 * plan_in_parts.image_flops_as_run + 3 * resampling);
  EXPECT_GT(plan_in_parts.image_flops_as_run, plan.image_flops_as_run);
  EXPECT_DOUBLE_EQ(plan_in_parts.activation_bytes, plan.activation_bytes / 2);
}

TEST(Plan, RefusesAMicroBatchThatDoesNotDivide) {
  Config config = tiny();
  for (const int micro_batch : {2, 4, 12}) {
    config.train.micro_batch = micro_batch;
    const std::string message = test::refusal([&] { plan_run(config, 2, 600); }, ExitCode::config);
    EXPECT_NE(message.find("does not divide the images of a rank, 3"), std::string::npos) << message;
    EXPECT_NE(message.find("a divisor of 3, or to 0"), std::string::npos) << message;
  }
  config.train.micro_batch = 1;
  EXPECT_EQ(plan_run(config, 2, 600).local_batch, 3);
}

TEST(Plan, CountsWhatATapeKeeps) {
  const Config config = tiny();
  const VitShape shape = vit_shape(config.model);
  TrainState state(shape, config.model.prototypes, at::kDouble);
  state.initialise(1);
  const StepInput input = made_up_input(config);
  Tape tape;
  Trunk(state.online, shape).forward({input.random, input.focal}, &tape);

  std::map<const void*, std::size_t> storages;
  const auto add = [&](std::initializer_list<at::Tensor> tensors) {
    for (const at::Tensor& tensor : tensors)
      storages[tensor.storage().data()] = tensor.storage().nbytes();
  };
  for (const Tape::Block& block : tape.blocks) {
    add({block.norm1.x, block.norm1.mean, block.norm1.rstd, block.norm2.x, block.norm2.mean, block.norm2.rstd,
         block.normed1, block.mixed, block.normed2, block.hidden, block.activated});
    for (const AttentionSaved& attention : block.attention)
      add({attention.q, attention.k, attention.v, attention.probabilities});
  }
  add({tape.norm.x, tape.norm.mean, tape.norm.rstd, tape.groups[0].patches, tape.groups[1].patches});
  double bytes = 0;
  for (const auto& [data, size] : storages)
    bytes += static_cast<double>(size);
  EXPECT_DOUBLE_EQ(bytes, 8 * 6 * (2 * tape_values(shape, 18) + 3 * tape_values(shape, 5)));
}

TEST(Plan, CountsTheCopyForACheckpointOfTheLargestSlice) {
  Config config = tiny();
  for (const auto precision : {Precision::fp32, Precision::fp64}) {
    config.train.precision = precision;
    TrainState state(vit_shape(config.model), config.model.prototypes, scalar_type(precision));
    std::vector<std::uint64_t> sizes;
    for (const StateTensor& tensor : state_tensors(state))
      sizes.push_back(tensor.bytes.size());
    EXPECT_EQ(state_tensor_sizes(vit_shape(config.model), config.model.prototypes, scalar_type(precision)), sizes);
    const std::uint64_t total = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
    config.checkpoint.writers = 1;
    EXPECT_EQ(plan_run(config, 3, 600).checkpoint_bytes, static_cast<double>(total));
    config.checkpoint.writers = 100;  // As many as there are ranks.
    const double largest = plan_run(config, 3, 600).checkpoint_bytes;
    EXPECT_GE(largest, static_cast<double>(total) / 3);
    EXPECT_LT(largest, static_cast<double>(total) / 2);
  }
}

TEST(Plan, GivesThePublishedModelsTheirCost) {
  struct Model {
    const char* name;
    int ranks;
    double gflop;
  };
  // With mask ratios .15, .3, .3, .7, .5, .7.
  for (const Model& model :
       {Model{"s16", 64, 80.9}, Model{"s16_no_sinkhorn", 64, 80.9}, Model{"b16", 64, 299.2}, Model{"b8", 64, 1233},
        Model{"b4", 64, 4783}, Model{"l16", 64, 981.8}, Model{"l7", 64, 4476}, Model{"l7", 128, 4476}}) {
    SCOPED_TRACE(model.name);
    const Config config = load_config(std::string(MSN_SOURCE_DIR) + "/configs/vit_" + model.name + ".toml");
    const RunPlan plan = plan_run(config, model.ranks, kImageNet);
    EXPECT_NEAR(plan.image_flops * 1e-9 / model.gflop, 1, 0.005);
    EXPECT_EQ(plan.local_batch * model.ranks, config.train.global_batch);
    // The class token of the last block alone saves 6.8 to 7.2 % with 12 blocks, 3.4 to 3.5 % with 24.
    const double saved = 1 - plan.image_flops_as_run / plan.image_flops;
    EXPECT_NEAR(saved, config.model.depth == 12 ? 0.070 : 0.0345, 0.0025);
  }
}

TEST(Plan, KnowsTheScheduleOfThePublishedRun) {
  const RunPlan plan = plan_run(Config{}, 16, kImageNet);
  EXPECT_EQ(plan.steps_per_epoch, 1251u);
  EXPECT_EQ(plan.steps, 1000800u);
  EXPECT_EQ(plan.warmup_steps, 18765u);
  EXPECT_DOUBLE_EQ(plan.warm.lr, 1e-3);
  // The last values of tests/golden/schedules.h5.
  EXPECT_NEAR(plan.end.lr, 9.9224e-5, 1e-9);
  EXPECT_NEAR(plan.end.weight_decay, 0.365623, 1e-6);
  EXPECT_NEAR(plan.end.ema_momentum, 0.9992, 1e-6);
}

TEST(Plan, NamesTheNearestBatchesThatFit) {
  Config config;
  const auto refusal = [&](int ranks) {
    try {
      plan_run(config, ranks, kImageNet);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(refusal(144).find("1008 or 1152"), std::string::npos) << refusal(144);
  EXPECT_NE(refusal(1500).find("set it to 1500,"), std::string::npos) << refusal(1500);
  config.train.global_batch = 1152;
  EXPECT_EQ(refusal(144), "");
}

TEST(Plan, WarnsOfPixelsThatNoPatchCovers) {
  EXPECT_TRUE(dropped_pixels(Config{}).empty());
  Config config;
  config.model.patch_size = 7;
  ASSERT_EQ(dropped_pixels(config).size(), 1u);
  EXPECT_NE(dropped_pixels(config)[0].find("views.focal_size = 96"), std::string::npos);
  EXPECT_NE(dropped_pixels(config)[0].find("last 5 pixels"), std::string::npos);
  config.views.focal = 0;
  EXPECT_TRUE(dropped_pixels(config).empty());
}

}  // namespace
}  // namespace msn
