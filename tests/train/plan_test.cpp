// SPDX-License-Identifier: Apache-2.0
#include "train/plan.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/mpi_communicator.hpp"
#include "data/synthetic_batches.hpp"
#include "kernels/work_times.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"
#include "train/batch_tensors.hpp"
#include "train/setup.hpp"
#include "train/step.hpp"

namespace msn {
namespace {

constexpr std::uint64_t kImageNet = 1281167;

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

  const MpiCommunicator communicator(test::world());
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kDouble);
  state.initialise(1);
  EXPECT_EQ(state.online.count(), plan.trunk_parameters + plan.head_parameters + plan.prototype_parameters);
  const StepInput input = made_up_input(config);
  Stepper stepper(state, config, communicator);
  const auto operations_of = [&](Stepper& steps) {
    kernels::take_work_times();
    EXPECT_TRUE(steps.run(input, plan.start).finite);
    double operations = 0;
    for (const kernels::WorkTime& time : kernels::take_work_times())
      operations += time.flops;
    return operations;
  };
  EXPECT_DOUBLE_EQ(operations_of(stepper), 6 * plan.image_flops_as_run);
  EXPECT_LT(plan.image_flops_as_run, plan.image_flops);

  // In two parts the anchors' trunk runs forward twice.
  Config in_parts = config;
  in_parts.train.micro_batch = 3;
  const RunPlan plan_in_parts = plan_run(in_parts, 1, 600);
  Stepper stepper_in_parts(state, in_parts, communicator);
  EXPECT_DOUBLE_EQ(operations_of(stepper_in_parts), 6 * plan_in_parts.image_flops_as_run);
  EXPECT_GT(plan_in_parts.image_flops_as_run, plan.image_flops_as_run);
  EXPECT_LT(plan_in_parts.memory.step.of(MemoryUse::tape), 0.6 * plan.memory.step.of(MemoryUse::tape));
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
  for (const Recompute recompute : {Recompute::nothing, Recompute::norms_and_activations}) {
    Tape tape;
    Trunk(state.online, shape, {}, recompute).forward({input.random, input.focal}, &tape);
    std::map<const void*, std::size_t> storages;
    const auto add = [&](const std::vector<at::Tensor>& tensors) {
      for (const at::Tensor& tensor : tensors) {
        if (tensor.defined()) storages[tensor.storage().data()] = tensor.storage().nbytes();
      }
    };
    const auto add_norm = [&](const LayerNormed& norm) { add({norm.sum, norm.mean, norm.rstd, norm.normed}); };
    for (const Tape::Block& block : tape.blocks) {
      add_norm(block.norm1);
      add_norm(block.norm2);
      add({block.q, block.k, block.v, block.mixed, block.hidden, block.activated});
      for (const AttentionTape& attention : block.attention)
        add({attention.log_sums});
    }
    add_norm(tape.norm);
    double bytes = 0;
    for (const auto& [data, size] : storages)
      bytes += static_cast<double>(size);
    StepSizes sizes = step_sizes(config, {1, 6, false});
    sizes.value_bytes = sizes.parameter_bytes = 8;
    sizes.recompute = recompute;
    MemoryLedger ledger({});
    go_through_step(sizes, ledger);
    EXPECT_DOUBLE_EQ(bytes, ledger.most().of(MemoryUse::tape));
  }
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
    EXPECT_EQ(plan_run(config, 3, 600).memory.host.of(MemoryUse::checkpoint_copy), static_cast<double>(total));
    config.checkpoint.writers = 100;  // As many as there are ranks.
    const double largest = plan_run(config, 3, 600).memory.host.of(MemoryUse::checkpoint_copy);
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
