// SPDX-License-Identifier: Apache-2.0
// Steps whose trunk sees a rank's images in parts: the numbers of the whole batch to rounding (docs/design.md §4.4), in
// less memory. And steps in general take no memory from the system after the first.
#include "train/micro_batches.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <malloc.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/files.hpp"
#include "comm/mpi_communicator.hpp"
#include "data/synthetic_batches.hpp"
#include "train/batch_tensors.hpp"
#include "train/setup.hpp"
#include "train/step.hpp"
#include "train/tensor_memory.hpp"
#include "train/threads.hpp"
#include "train/tiny_run.hpp"
#include "train/trainer.hpp"

namespace msn {
namespace {

constexpr int kSamples = 8;  // Of a rank.
constexpr int kSteps = 6;

/// Drop path and a mask of each image's own.
Config small_run() {
  Config config = test::tiny_run({}, kSamples * test::world().size());
  config.data.input = DataInput::synthetic;
  config.views.mask_per = MaskPer::image;
  config.model.width = 32;
  config.model.depth = 4;
  config.train.epochs = 50;
  config.optim.warmup_epochs = 10;
  return config;
}

struct SmallRun {
  SmallRun(Config the_config, int micro_batch)
      : config(std::move(the_config)),
        type(scalar_type(config.train.precision)),
        communicator(test::world()),
        state(vit_shape(config.model), config.model.prototypes, type) {
    config.train.micro_batch = micro_batch;
    state.initialise(3);
    stepper.emplace(state, config, communicator);
    const BatchOptions options{.global_batch = config.train.global_batch,
                               .patch_size = config.model.patch_size,
                               .rank = test::world().rank(),
                               .world_size = test::world().size()};
    batches.emplace(config, 10 * config.train.global_batch, options);
  }
  ~SmallRun() { communicator.shutdown(); }

  StepReport step() {
    Batch batch = batches->next();
    const Schedules schedules(config.optim, config.loss, config.train, 10);
    StepReport report =
        stepper->run(make_step_input(batch, config, type), schedules.at(static_cast<std::int64_t>(state.step)));
    EXPECT_TRUE(report.finite);
    batches->recycle(std::move(batch));
    return report;
  }

  Config config;
  at::ScalarType type;
  MpiCommunicator communicator;
  TrainState state;
  std::optional<Stepper> stepper;
  std::optional<SyntheticBatches> batches;
};

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).to(at::kDouble).norm() / b.to(at::kDouble).norm()).item<double>();
}

/// Exactly zero in exact arithmetic, wholly or in the keys' third (tests/golden/README.md). What Adam makes of their
/// rounding is as large as any update.
bool has_zero_gradient(const std::string& name) {
  return name == "norm.bias" || name == "fc.fc1.bias" || name == "fc.fc2.bias" || name.ends_with("qkv.bias");
}

/// The other elements of a flat buffer, which may be the target network's, without prototypes.
at::Tensor learned(const SmallRun& run, const at::Tensor& flat) {
  std::vector<at::Tensor> parts;
  for (const Segment& segment : run.state.online.segments()) {
    const bool is_there = segment.offset + segment.elements <= flat.numel();
    if (is_there && !has_zero_gradient(segment.name)) parts.push_back(flat.narrow(0, segment.offset, segment.elements));
  }
  return at::cat(parts);
}

/// Limits of gradients, a tensor and all, of losses of the first five steps, and of the weights after them.
void compare_with_whole(Precision precision, double tensor_limit, double all_limit, double loss_limit,
                        double weight_limit) {
  Config config = small_run();
  config.train.precision = precision;
  SmallRun whole(config, 0), halves(config, kSamples / 2), quarters(config, kSamples / 4);
  for (int step = 0; step < 5; ++step) {
    const StepReport expected = whole.step();
    for (SmallRun* const run : {&halves, &quarters}) {
      SCOPED_TRACE(std::to_string(run->config.train.micro_batch) + " at once, step " + std::to_string(step));
      const StepReport report = run->step();
      const double loss = expected.objective.parts.loss;
      EXPECT_LE(std::abs(report.objective.parts.loss - loss) / std::abs(loss), loss_limit);
      if (step > 0) continue;
      EXPECT_LE(relative(learned(*run, run->state.online.gradients()), learned(whole, whole.state.online.gradients())),
                all_limit);
      for (const Segment& segment : whole.state.online.segments()) {
        const std::string& name = segment.name;
        if (has_zero_gradient(name)) continue;
        EXPECT_LE(relative(run->state.online.gradient(name), whole.state.online.gradient(name)), tensor_limit) << name;
      }
    }
  }
  for (SmallRun* const run : {&halves, &quarters}) {
    EXPECT_LE(relative(learned(*run, run->state.online.values()), learned(whole, whole.state.online.values())),
              weight_limit);
    EXPECT_LE(relative(learned(*run, run->state.target.values()), learned(whole, whole.state.target.values())),
              weight_limit);
    EXPECT_LE(relative(run->state.online_buffers.bn2.running_var, whole.state.online_buffers.bn2.running_var),
              weight_limit);
    EXPECT_EQ(run->state.online_buffers.bn2.batches, whole.state.online_buffers.bn2.batches);
  }
}

TEST(MicroBatches, GiveTheNumbersOfTheWholeBatchInFloat64) {
  compare_with_whole(Precision::fp64, 1e-10, 1e-10, 1e-9, 1e-9);
}

TEST(MicroBatches, GiveTheNumbersOfTheWholeBatchInFloat32) {
  compare_with_whole(Precision::fp32, 5e-5, 1e-5, 1e-5, 1e-4);
}

TEST(MicroBatches, MayChangeWhenARunIsResumed) {
  const test::SharedDir dir;
  Config config = small_run();
  TrainOptions options;
  const auto live = [&](const char* run, std::uint64_t last) {
    options.run = dir / run;
    options.max_steps = last;
    const TrainResult result = train(test::world(), config, options);
    EXPECT_EQ(result.step, last);
    return result.last_loss;
  };
  const double expected = live("whole", 4);
  live("changed", 2);
  config.train.micro_batch = kSamples / 4;
  const double loss = live("changed", 4);
  EXPECT_LE(std::abs(loss - expected) / expected, 1e-5);
  if (test::world().rank() != 0) return;
  EXPECT_NE(read_text(dir / "changed/log.txt").find("equal to rounding, because train.micro_batch was 0, is now 2"),
            std::string::npos);
}

/// What the arena handed out at most during a step, beyond what the state holds.
double peak_of_step(int micro_batch) {
  Config config = small_run();
  config.model.depth = 12;
  config.views.focal = 4;
  SmallRun run(config, micro_batch);
  const double before = static_cast<double>(tensor_memory().in_use);
  reset_peak_of_tensor_memory();
  run.step();
  return static_cast<double>(tensor_memory().peak_in_use) - before;
}

TEST(MicroBatches, TakeLessMemory) {
  set_up_threads(test::world(), 1);
  const double whole = peak_of_step(0);
  EXPECT_LT(peak_of_step(kSamples / 2), 0.65 * whole);
  EXPECT_LT(peak_of_step(kSamples / 4), 0.45 * whole);
}

// What grows: the arena, and what malloc has of the system (its heaps and its own mappings). What is taken from malloc
// and given back within a step, such as the headers of tensors, is no growth.
TEST(Step, TakesNoMemoryFromTheSystemAfterTheFirst) {
  set_up_threads(test::world(), 1);
  for (const int micro_batch : {0, kSamples / 2}) {
    SmallRun run(small_run(), micro_batch);
    run.step();
    const ArenaUsage arena = tensor_memory();
    const struct mallinfo2 heap = mallinfo2();
    EXPECT_GT(arena.in_use, 0u);
    for (int step = 1; step < kSteps; ++step)
      run.step();
    EXPECT_EQ(tensor_memory().growths, arena.growths);
    EXPECT_EQ(tensor_memory().committed, arena.committed);
    EXPECT_EQ(tensor_memory().refused, 0u);
    const struct mallinfo2 after = mallinfo2();
    EXPECT_EQ(after.arena, heap.arena);
    EXPECT_EQ(after.hblkhd, heap.hblkhd);
    EXPECT_EQ(tensor_memory().in_use, arena.in_use) << "a step leaves nothing behind";
  }
}

}  // namespace
}  // namespace msn
