// SPDX-License-Identifier: Apache-2.0
// The same global batch on one rank and on several: the same numbers to rounding (docs/design.md §4.4). Every rank runs
// the whole batch by itself too and compares.
#include "train/step.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "comm/mpi_communicator.hpp"
#include "support/mpi.hpp"
#include "support/view_tensors.hpp"
#include "train/batch_tensors.hpp"

namespace msn {
namespace {

constexpr std::int64_t kBatch = 32;
constexpr int kSteps = 20;

Config tiny() {
  Config config;
  config.views.random_size = 16;
  config.views.focal_size = 8;
  config.views.focal = 2;
  config.views.mask_ratio = 0.3;
  config.model.arch = "custom";
  config.model.width = 32;
  config.model.depth = 2;
  config.model.heads = 2;
  config.model.patch_size = 4;
  config.model.image_size = 16;
  config.model.head_hidden = 48;
  config.model.head_out = 16;
  config.model.prototypes = 12;
  config.train.global_batch = kBatch;
  config.train.epochs = 50;
  config.optim.warmup_epochs = 10;
  return config;
}
constexpr std::int64_t kStepsPerEpoch = 10;  // A warm-up of 100 steps.

/// Made-up views of a step, the share of one rank.
StepInput make_input(const Config& config, int step, std::int64_t begin, std::int64_t count, at::ScalarType type) {
  std::vector<at::Tensor> views;
  for (int v = 0; v < 1 + config.views.random + config.views.focal; ++v) {
    const std::int64_t size = v <= config.views.random ? config.views.random_size : config.views.focal_size;
    const at::Tensor view = at::empty({count, 3, size, size}, at::kDouble);
    for (std::int64_t b = 0; b < count; ++b) {
      RandomStream stream(1, static_cast<std::uint64_t>(step), static_cast<std::uint64_t>(begin + b),
                          static_cast<std::uint32_t>(v), Purpose::generator);
      double* pixels = view[b].mutable_data_ptr<double>();
      for (std::int64_t i = 0; i < 3 * size * size; ++i)
        pixels[i] = stream.normal();
    }
    views.push_back(view.to(type));
  }
  const auto mask = batch_mask(0, 0, static_cast<std::uint64_t>(step), 16, config.views.mask_ratio);
  const at::Tensor keep = test::index_tensor(mask);
  return test::make_step_input(views, config.views.random, keep, config.model.patch_size);
}

/// ‖a - b‖ / ‖b‖ without the elements whose gradient is exactly zero in exact arithmetic (tests/golden/README.md).
struct Difference {
  double square = 0, reference = 0;
  void add(const at::Tensor& a, const at::Tensor& b) {
    square += (a - b).to(at::kDouble).square().sum().item<double>();
    reference += b.to(at::kDouble).square().sum().item<double>();
  }
  double relative() const { return std::sqrt(square / reference); }
};

bool has_zero_gradient(const std::string& name) {
  return name == "norm.bias" || name == "fc.fc1.bias" || name == "fc.fc2.bias";
}

void compare_worlds(at::ScalarType type, double tensor_limit, double all_limit, double early_limit, double late_limit) {
  const Config config = tiny();
  const World self = World::alone();
  const MpiCommunicator together(test::world()), alone(self);
  TrainState shared(vit_shape(config.model), config.model.prototypes, type);
  TrainState whole(vit_shape(config.model), config.model.prototypes, type);
  shared.initialise(3);
  whole.initialise(3);
  Stepper shared_stepper(shared, config, together);
  Stepper whole_stepper(whole, config, alone);
  const Schedules schedules(config.optim, config.loss, config.train, kStepsPerEpoch);
  const std::int64_t share = kBatch / together.size();
  for (int step = 0; step < kSteps; ++step) {
    const ScheduleValues values = schedules.at(step);
    const StepReport mine = shared_stepper.run(make_input(config, step, together.rank() * share, share, type), values);
    const StepReport reference = whole_stepper.run(make_input(config, step, 0, kBatch, type), values);

    const at::Tensor loss = at::empty({1}, at::kDouble).fill_(mine.objective.parts.loss);
    together.sum(loss, "loss");
    const double expected = reference.objective.parts.loss;
    EXPECT_LE(std::abs(loss.item<double>() / together.size() - expected) / std::abs(expected),
              step < 5 ? early_limit : late_limit)
        << "loss of step " << step;
    if (step > 0) continue;
    Difference all;
    for (const Segment& segment : shared.online.segments()) {
      if (has_zero_gradient(segment.name)) continue;
      at::Tensor a = shared.online.gradient(segment.name);
      at::Tensor b = whole.online.gradient(segment.name);
      if (segment.name == "prototypes") a = a / together.size();  // A sum over ranks, as in the official code.
      if (segment.name.find("qkv.bias") != std::string::npos) {   // The keys' third is zero.
        const std::int64_t d = config.model.width;
        a = a.clone();
        b = b.clone();
        a.narrow(0, d, d).zero_();
        b.narrow(0, d, d).zero_();
      }
      Difference one;
      one.add(a, b);
      all.add(a, b);
      EXPECT_LE(one.relative(), tensor_limit) << segment.name;
    }
    EXPECT_LE(all.relative(), all_limit);
  }
}

TEST(Step, IsTheSameOnAnyNumberOfRanksInFloat64) {
  compare_worlds(at::kDouble, 1e-10, 1e-10, 1e-6, 1e-6);
}

TEST(Step, IsTheSameOnAnyNumberOfRanksInFloat32) {
  compare_worlds(at::kFloat, 5e-5, 1e-5, 1e-5, 1e-4);
}

TEST(Step, RunsWithoutFocalViewsAndWithAnyMask) {
  for (const double ratio : {0.0, 0.9375}) {  // Nothing masked, and one patch of 16 left.
    Config config = tiny();
    config.views.focal = 0;
    config.views.mask_ratio = ratio;
    const MpiCommunicator communicator(test::world());
    TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
    state.initialise(3);
    Stepper stepper(state, config, communicator);
    const std::int64_t share = kBatch / communicator.size();
    const StepInput input = make_input(config, 0, communicator.rank() * share, share, at::kFloat);
    EXPECT_FALSE(input.focal.patches.defined());
    EXPECT_EQ(input.random.tokens(), ratio == 0 ? 17 : 2);
    const Schedules schedules(config.optim, config.loss, config.train, kStepsPerEpoch);
    const StepReport report = stepper.run(input, schedules.at(0));
    EXPECT_TRUE(std::isfinite(report.objective.parts.loss));
    EXPECT_EQ(report.z.size(0), share);
    EXPECT_GT(report.grad_norm, 0);
  }
}

TEST(Step, LeavesFrozenPrototypesAsTheyWere) {
  Config config = tiny();
  config.model.freeze_prototypes = true;
  const MpiCommunicator communicator(test::world());
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
  state.initialise(3);
  Stepper stepper(state, config, communicator);
  const at::Tensor prototypes = state.online.value("prototypes").clone();
  const at::Tensor weight = state.online.value("fc.fc3.weight").clone();
  const std::int64_t share = kBatch / communicator.size();
  const Schedules schedules(config.optim, config.loss, config.train, kStepsPerEpoch);
  for (int step = 0; step < 2; ++step)
    stepper.run(make_input(config, step, communicator.rank() * share, share, at::kFloat), schedules.at(step));
  EXPECT_TRUE(state.online.value("prototypes").equal(prototypes));
  EXPECT_FALSE(state.online.value("fc.fc3.weight").equal(weight)) << "the encoder learns";
}

TEST(Step, RefusesGradientsThatAreNotFiniteAndKeepsTheWeights) {
  const Config config = tiny();
  const MpiCommunicator communicator(test::world());
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
  state.initialise(3);
  Stepper stepper(state, config, communicator);
  const at::Tensor before = state.online.values().clone();
  const std::int64_t share = kBatch / communicator.size();
  StepInput input = make_input(config, 0, communicator.rank() * share, share, at::kFloat);
  if (communicator.rank() == communicator.size() - 1) input.focal.patches.flatten()[0].fill_(NAN);  // One rank only.
  const Schedules schedules(config.optim, config.loss, config.train, kStepsPerEpoch);
  try {
    stepper.run(input, schedules.at(0));
    ADD_FAILURE() << "not-a-number went unseen";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::numerics);
  }
  EXPECT_TRUE(before.equal(state.online.values()));
  EXPECT_EQ(state.step, 0u);
}

/// A batch whose every row holds its own number in each place.
Batch numbered_batch(const ViewsConfig& views, int patch_size) {
  Batch batch;
  batch.samples = {4, 9};
  shape_batch(views, VisiblePatches(views, patch_size, 0, 2), batch);
  float number = 0;
  for (ViewRows* group : {&batch.target, &batch.random, &batch.focal}) {
    for (std::size_t i = 0; i < group->rows.size(); ++i)
      group->rows[i] = number + static_cast<float>(i / static_cast<std::size_t>(3 * patch_size * patch_size));
    number += 1000;
  }
  return batch;
}

TEST(StepInput, HasTheRowsAndMasksOfTheBatch) {
  Config config = tiny();
  config.views.random = 2;
  const Batch batch = numbered_batch(config.views, config.model.patch_size);
  const StepInput input = make_step_input(batch, config, at::kFloat);
  EXPECT_EQ(input.target.patches.sizes(), (std::vector<std::int64_t>{2, 16, 48}));
  EXPECT_EQ(input.random.patches.sizes(), (std::vector<std::int64_t>{4, 11, 48}));
  EXPECT_EQ(input.focal.patches.sizes(), (std::vector<std::int64_t>{4, 4, 48}));
  EXPECT_EQ(input.random.patches[3][10][47].item<float>(), 1000 + 3 * 11 + 10);
  EXPECT_EQ(input.random.patches.const_data_ptr<float>(), batch.random.rows.data());
  EXPECT_FALSE(input.target.keep.defined());
  EXPECT_FALSE(input.focal.keep.defined());
  EXPECT_EQ(input.focal.grid, 2);
  EXPECT_TRUE(input.random.keep.equal(test::index_tensor(batch_mask(0, 0, 0, 16, config.views.mask_ratio))));
  EXPECT_EQ(make_step_input(batch, config, at::kDouble).focal.patches.scalar_type(), at::kDouble);
}

TEST(StepInput, OfImageMasksHasOneForEachImage) {
  Config config = tiny();
  config.views.random = 2;
  config.views.focal = 0;
  config.views.mask_per = MaskPer::image;
  const Batch batch = numbered_batch(config.views, config.model.patch_size);
  const StepInput input = make_step_input(batch, config, at::kFloat);
  EXPECT_TRUE(input.random.keep.equal(test::image_masks(batch.samples, 2, 16, config.views.mask_ratio)));
  EXPECT_FALSE(input.focal.patches.defined());
}

}  // namespace
}  // namespace msn
