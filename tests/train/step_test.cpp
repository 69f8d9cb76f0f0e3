// SPDX-License-Identifier: Apache-2.0
// The same global batch on one rank and on several: the same numbers to rounding (docs/design.md §4.4). Every rank runs
// the whole batch by itself too and compares.
#include "train/step.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "base/random.hpp"
#include "comm/mpi_communicator.hpp"
#include "support/mpi.hpp"
#include "support/view_tensors.hpp"
#include "train/batch_tensors.hpp"
#include "train/finite.hpp"
#include "train/metrics.hpp"
#include "train/tiny_step_config.hpp"

namespace msn {
namespace {

constexpr std::int64_t kBatch = 32;
constexpr int kSteps = 20;

Config tiny() {
  return test::tiny_step_config(kBatch);
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
      at::Tensor a = shared.online.gradient(segment.name) / together.size();  // A sum over ranks.
      at::Tensor b = whole.online.gradient(segment.name);
      if (segment.name.find("qkv.bias") != std::string::npos) {  // The keys' third is zero.
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

/// Everything that two steps changed.
std::vector<at::Tensor> after_two_steps(Config config, double bucket_mib, ExchangePath path, at::ScalarType type) {
  config.runtime.bucket_mib = bucket_mib;
  MpiCommunicator communicator(test::world(), {path, Background::automatic, {}});
  TrainState state(vit_shape(config.model), config.model.prototypes, type);
  state.initialise(3);
  Stepper stepper(state, config, communicator);
  const Schedules schedules(config.optim, config.loss, config.train, kStepsPerEpoch);
  const std::int64_t share = kBatch / communicator.size();
  for (int step = 0; step < 2; ++step)
    EXPECT_TRUE(
        stepper.run(make_input(config, step, communicator.rank() * share, share, type), schedules.at(step)).finite);
  communicator.shutdown();
  return {state.online.values(), state.online.gradients(), state.target.values(), state.exp_avg, state.exp_avg_sq};
}

TEST(Step, HasTheSameBitsForAnyBucketsAndPath) {
  Config frozen = tiny();
  frozen.model.freeze_prototypes = true;
  frozen.views.focal = 0;
  for (const auto& [config, type] : {std::pair{tiny(), at::kFloat}, {tiny(), at::kDouble}, {frozen, at::kFloat}}) {
    const auto expected = after_two_steps(config, 1024, ExchangePath::messages, type);
    for (const auto& [mib, path] : {std::pair{1.0 / 1024, ExchangePath::messages},
                                    {1.0 / 1024, ExchangePath::shared_memory},
                                    {0.02, ExchangePath::shared_memory},
                                    {25.0, ExchangePath::shared_memory}}) {
      const auto tensors = after_two_steps(config, mib, path, type);
      for (std::size_t i = 0; i < tensors.size(); ++i)
        EXPECT_TRUE(tensors[i].equal(expected[i])) << mib << " MiB, tensor " << i;
    }
  }
}

// The list in docs/design.md.
TEST(Step, SendsTheseMessagesAndNoOthers) {
  Config config = tiny();
  config.runtime.bucket_mib = 0.04;
  MpiCommunicator communicator(test::world());
  TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
  state.initialise(3);
  Stepper stepper(state, config, communicator);
  const Schedules schedules(config.optim, config.loss, config.train, kStepsPerEpoch);
  const std::int64_t share = kBatch / communicator.size();
  const StepInput input = make_input(config, 0, communicator.rank() * share, share, at::kFloat);
  test::world().recorder().set_step(77);
  const StepReport report = stepper.run(input, schedules.at(0));
  gather_metrics(report, {}, communicator);
  std::vector<std::string> sent;
  for (const CollectiveRecord& record : test::world().recorder().records()) {
    if (record.step == 77) sent.push_back(record.what + " " + std::to_string(record.bytes));
  }
  test::world().recorder().set_step(0);
  communicator.shutdown();
  if (communicator.size() == 1) {
    EXPECT_TRUE(sent.empty());
    return;
  }
  const std::int64_t hidden = config.model.head_hidden, prototypes = config.model.prototypes;
  const auto doubles = [](std::int64_t count) { return " " + std::to_string(8 * count); };
  std::vector<std::string> expected;
  for (int layer = 0; layer < 2; ++layer)
    expected.push_back("batch norm forward" + doubles(3 * (1 + 2 * hidden)));
  expected.push_back("mean prediction" + doubles(prototypes + 1));
  for (int iteration = 0; iteration < config.loss.sinkhorn; ++iteration)
    expected.push_back("Sinkhorn" + doubles(prototypes));
  for (int layer = 0; layer < 2; ++layer)
    expected.push_back("batch norm backward" + doubles(2 * 2 * hidden));
  const auto& buckets = stepper.buckets().buckets();
  EXPECT_GT(buckets.size(), 2u);
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    const std::int64_t bytes = 4 * (buckets[i].end - buckets[i].begin) + (i == 0 ? 64 : 0);
    expected.push_back("gradients " + std::to_string(i) + " " + std::to_string(bytes));
  }
  ASSERT_EQ(sent.size(), expected.size() + 1);
  EXPECT_TRUE(sent.back().starts_with("metrics "));
  sent.pop_back();
  EXPECT_EQ(sent, expected);
  EXPECT_GT(report.reduce_seconds, 0);
  EXPECT_GE(report.reduce_wait_seconds, 0);
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
    EXPECT_TRUE(
        stepper.run(make_input(config, step, communicator.rank() * share, share, at::kFloat), schedules.at(step))
            .finite);
  EXPECT_TRUE(state.online.value("prototypes").equal(prototypes));
  EXPECT_FALSE(state.online.value("fc.fc3.weight").equal(weight)) << "the encoder learns";
}

/// What state_tensors() of a state and its counts are, and where they lie.
struct StateImage {
  explicit StateImage(TrainState& state)
      : step(state.step), skipped(state.skipped), skipped_in_a_row(state.skipped_in_a_row) {
    for (const StateTensor& tensor : state_tensors(state)) {
      bytes.push_back(tensor.bytes.data());
      hashes.push_back(tensor.name + " " + hash_hex(tensor.bytes));
    }
  }
  bool operator==(const StateImage&) const = default;

  std::uint64_t step, skipped, skipped_in_a_row;
  std::vector<const std::byte*> bytes;
  std::vector<std::string> hashes;
};

/// A state that has seen a step, so that moments and running statistics are not those of the start.
struct Warm {
  explicit Warm(const Config& config)
      : communicator(test::world()), state(vit_shape(config.model), config.model.prototypes, at::kFloat) {
    state.initialise(3);
    Stepper stepper(state, config, communicator);
    EXPECT_TRUE(stepper.run(input(config, 0), values(config)).finite);
  }
  StepInput input(const Config& config, int step) const {
    const std::int64_t share = kBatch / communicator.size();
    return make_input(config, step, communicator.rank() * share, share, at::kFloat);
  }
  static ScheduleValues values(const Config& config) {
    return Schedules(config.optim, config.loss, config.train, kStepsPerEpoch).at(5);
  }

  MpiCommunicator communicator;
  TrainState state;
};

TEST(Step, ChangesNothingIfOneRanksViewsAreNotFinite) {
  const Config config = tiny();
  Warm warm(config);
  Stepper stepper(warm.state, config, warm.communicator);
  const StateImage before(warm.state);
  StepInput input = warm.input(config, 1);
  if (warm.communicator.rank() == warm.communicator.size() - 1) input.focal.patches.flatten()[0].fill_(NAN);
  const StepReport report = stepper.run(input, Warm::values(config));
  EXPECT_FALSE(report.finite);
  EXPECT_FALSE(std::isfinite(report.grad_norm));
  EXPECT_EQ(StateImage(warm.state), before);

  // It goes on as if the step had not been.
  Warm other(config);
  Stepper other_stepper(other.state, config, other.communicator);
  EXPECT_TRUE(stepper.run(warm.input(config, 2), Warm::values(config)).finite);
  EXPECT_TRUE(other_stepper.run(other.input(config, 2), Warm::values(config)).finite);
  EXPECT_EQ(StateImage(warm.state).hashes, StateImage(other.state).hashes);
  EXPECT_EQ(warm.state.step, 2u);
}

// Steps that no other test comes to.
const bool faults_are_set = [] {
  return setenv("MSN_TEST_INJECT", "loss-value-1000:0:damage,gradient-1001:0:damage,loss-1002:0:damage", 1) == 0;
}();

/// The step after `completed` ones, which has a fault: not finite on any rank, and nothing is updated.
StepReport take_faulty_step(Warm& warm, const Config& config, std::uint64_t completed) {
  warm.state.step = completed;
  Stepper stepper(warm.state, config, warm.communicator);
  const StateImage before(warm.state);
  const StepReport report = stepper.run(warm.input(config, 1), Warm::values(config));
  EXPECT_FALSE(report.finite);
  EXPECT_EQ(StateImage(warm.state), before);
  return report;
}

std::vector<NotFinite> gradients_not_finite(const Warm& warm) {
  return tensors_not_finite(warm.state.online, warm.state.online.gradients());
}

TEST(Step, ChangesNothingIfOnlyOneRanksLossIsNotFinite) {
  MSN_ASSERT_ALL(faults_are_set);
  const Config config = tiny();
  Warm warm(config);
  const StepReport report = take_faulty_step(warm, config, 1000);
  EXPECT_EQ(is_finite(report.objective.parts), warm.communicator.rank() != 0);
  EXPECT_TRUE(std::isfinite(report.grad_norm)) << "the gradients are those of the real loss";
  EXPECT_TRUE(gradients_not_finite(warm).empty());
}

TEST(Step, ChangesNothingIfOneRanksGradientIsInfinite) {
  const Config config = tiny();
  Warm warm(config);
  EXPECT_TRUE(is_finite(take_faulty_step(warm, config, 1001).objective.parts));
  EXPECT_EQ(gradients_not_finite(warm), (std::vector<NotFinite>{{"blocks.0.attn.qkv.weight", 1}}));
}

TEST(Step, ChangesNothingIfOneRanksLossAndGradientAreNotFinite) {
  const Config config = tiny();
  Warm warm(config);
  take_faulty_step(warm, config, 1002);
  const std::vector<NotFinite> found = gradients_not_finite(warm);
  MSN_ASSERT_ALL(!found.empty());
  EXPECT_EQ(found.back().name, "prototypes");
}

TEST(Step, CountsUpdatesNotStepsForTheMoments) {
  const Config config = tiny();
  // The hashes after a first update in a run that had completed `step` steps and skipped `skipped` of them.
  const auto after_first_update = [&](std::uint64_t step, std::uint64_t skipped) {
    const MpiCommunicator communicator(test::world());
    TrainState state(vit_shape(config.model), config.model.prototypes, at::kFloat);
    state.initialise(3);
    state.step = step;
    state.skipped = state.skipped_in_a_row = skipped;
    Stepper stepper(state, config, communicator);
    const std::int64_t share = kBatch / communicator.size();
    const StepInput input = make_input(config, 0, communicator.rank() * share, share, at::kFloat);
    EXPECT_TRUE(stepper.run(input, Warm::values(config)).finite);
    EXPECT_EQ(state.step, step + 1);
    EXPECT_EQ(state.skipped, skipped);
    EXPECT_EQ(state.skipped_in_a_row, 0u);
    return StateImage(state).hashes;
  };
  const std::vector<std::string> plain = after_first_update(0, 0);
  EXPECT_EQ(after_first_update(2, 2), plain);
  EXPECT_NE(after_first_update(2, 1), plain);
}

/// A batch whose every row holds its own number in each place.
Batch numbered_batch(const ViewsConfig& views, int patch_size) {
  Batch batch;
  batch.samples = {4, 9};
  shape_batch(views, VisiblePatches(views, patch_size, 0, 2), ViewsMade::by_workers, batch);
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
