// SPDX-License-Identifier: Apache-2.0
// The steps of a device, run in host memory or on a GPU: the same numbers as the steps of the host, to rounding, whether they are
// launched one by one or as a graph, and however far the host runs ahead.
#include "train/device_steps.hpp"

#include <ATen/TensorOperators.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "comm/mpi_communicator.hpp"
#include "support/device.hpp"
#include "support/kernel_forms.hpp"
#include "support/mpi.hpp"
#include "train/host_state.hpp"
#include "train/input.hpp"
#include "train/setup.hpp"
#include "train/tiny_step_config.hpp"

namespace msn {
namespace {

constexpr std::int64_t kStepsPerEpoch = 10;

Config synthetic() {
  Config config = test::tiny_step_config(8);
  config.data.input = DataInput::synthetic;
  config.data.epoch_images = 8 * kStepsPerEpoch;
  return config;
}

/// A run of steps from the same first state.
struct Outcome {
  std::vector<StepReport> reports;
  at::Tensor weights, target, exp_avg_sq, running_var;
  std::int64_t batches = 0;
  std::uint64_t steps = 0;
};

enum class Where { host, device };

/// Rank 0's batch number `bad`, from 0, holds a number that is none.
class Poisoned : public BatchSource {
 public:
  Poisoned(BatchSource& from, std::uint64_t bad) : from_(from), bad_(bad) {}

  Batch next() override {
    Batch batch = from_.next();
    if (number_++ == bad_ && test::world().rank() == 0)
      batch.random.rows[0] = std::numeric_limits<float>::quiet_NaN();
    return batch;
  }
  void recycle(Batch&&) override {}  // A batch that serves again must not be poisoned.

 private:
  BatchSource& from_;
  const std::uint64_t bad_;
  std::uint64_t number_ = 0;
};
constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

Outcome run(const Config& config, int steps, Where where, const DeviceStepsOptions& options = {},
        std::uint64_t bad = kNone) {
  const at::Device device = where == Where::host ? at::Device(at::kCPU) : test::device();
  std::unique_ptr<Communicator> communicator;
  if (where == Where::host) {
    communicator = std::make_unique<MpiCommunicator>(test::world());
  } else {
    communicator = test::device_communicator();
  }
  TrainState state(vit_shape(config.model), config.model.prototypes, scalar_type(config.train.precision), device);
  HostState on_host(state);
  on_host.get().initialise(3);
  on_host.upload();
  const Schedules schedules(config.optim, config.loss, config.train, kStepsPerEpoch);
  const TrainingInput input{{}, {}, 8 * kStepsPerEpoch, 8 * kStepsPerEpoch};
  const std::unique_ptr<BatchSource> batches = make_batches(input, config, test::world(), 0, device);
  const std::vector<Normaliser> of_sets = normalisers(input);
  Poisoned poisoned(*batches, bad);
  const StepsOf of{state, config, *communicator, schedules, poisoned, of_sets, test::world().rank()};
  auto runner = where == Where::host ? make_host_steps(of) : make_device_steps(of, options);
  Outcome result;
  while (static_cast<int>(result.reports.size()) < steps) {
    const auto begun = result.reports.size() + runner->under_way();
    if (static_cast<int>(begun) < steps && runner->under_way() <= (where == Where::host ? 0 : options.run_ahead)) {
      runner->begin();
      continue;
    }
    DoneStep done = runner->finish();
    if (!done.report.finite) {
      ++state.step;
      ++state.skipped;
    }
    runner->recycle(std::move(done.batch));
    result.reports.push_back(std::move(done.report));
  }
  runner.reset();
  on_host.download();
  TrainState& end = on_host.get();
  result.weights = end.online.values().clone();
  result.target = end.target.values().clone();
  result.exp_avg_sq = end.exp_avg_sq.clone();
  result.running_var = end.target_buffers.bn2.running_var.clone();
  result.batches = end.online_buffers.bn1.batches;
  result.steps = end.step;
  communicator->shutdown();
  return result;
}

double relative(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

void expect_same_bits(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(a.weights.equal(b.weights));
  EXPECT_TRUE(a.target.equal(b.target));
  EXPECT_TRUE(a.exp_avg_sq.equal(b.exp_avg_sq));
  EXPECT_TRUE(a.running_var.equal(b.running_var));
  EXPECT_EQ(a.batches, b.batches);
  EXPECT_EQ(a.steps, b.steps);
}

TEST(DeviceSteps, ComputeWhatTheHostDoes) {
  Config config = synthetic();
  config.train.precision = Precision::fp64;  // Adam makes a step of a gradient that is nothing but float32's rounding.
  const Outcome host = run(config, 6, Where::host);
  const test::HostKernelForm form(KernelForm::torch);
  const Outcome device = run(config, 6, Where::device);
  EXPECT_LT(relative(device.weights, host.weights), 1e-9);
  EXPECT_LT(relative(device.target, host.target), 1e-9);
  EXPECT_LT(relative(device.exp_avg_sq, host.exp_avg_sq), 1e-9);
  EXPECT_LT(relative(device.running_var, host.running_var), 1e-9);
  EXPECT_EQ(device.batches, host.batches);
  EXPECT_EQ(device.steps, host.steps);
  for (std::size_t i = 0; i < host.reports.size(); ++i) {
    SCOPED_TRACE(i);
    const StepReport &mine = device.reports[i], &want = host.reports[i];
    for (const NamedPart& part : loss_parts())
      EXPECT_NEAR(mine.objective.parts.*part.value, want.objective.parts.*part.value, 1e-9) << part.name;
    EXPECT_NEAR(mine.grad_norm, want.grad_norm, 1e-9 * want.grad_norm);
    EXPECT_TRUE(mine.finite);
    EXPECT_TRUE(mine.prototypes_used.equal(want.prototypes_used));
    EXPECT_NEAR(mine.objective.parts.mean_entropy, want.objective.parts.mean_entropy, 1e-9);
    // Rank 0's monitors get the targets' embeddings, all of so small a batch.
    ASSERT_EQ(mine.h.defined(), test::world().rank() == 0);
    if (!mine.h.defined()) continue;
    ASSERT_EQ(mine.h.sizes(), want.h.sizes());
    EXPECT_LT(relative(mine.h, want.h), 1e-9);
  }
}

TEST(DeviceSteps, KeepTheirEmbeddingsWithoutMonitors) {
  const test::HostKernelForm form(KernelForm::torch);
  Config config = synthetic();
  const Outcome with = run(config, 5, Where::device);
  config.runtime.monitors = false;
  const Outcome without = run(config, 5, Where::device);
  for (const StepReport& report : without.reports)
    EXPECT_FALSE(report.h.defined());
  expect_same_bits(without, with);
}

TEST(DeviceSteps, GiveTheSameBitsAsAGraphAndHoweverFarAhead) {
  const test::HostKernelForm form(KernelForm::torch);
  const Outcome eager = run(synthetic(), 8, Where::device, {.run_ahead = 0, .graph = false});
  for (const std::size_t ahead : {0, 1, 3}) {
    SCOPED_TRACE(ahead);
    const Outcome graph = run(synthetic(), 8, Where::device, {.run_ahead = ahead, .graph = true});
    expect_same_bits(graph, eager);
    for (std::size_t i = 0; i < eager.reports.size(); ++i)
      EXPECT_EQ(graph.reports[i].objective.parts.loss, eager.reports[i].objective.parts.loss) << i;
  }
}

TEST(DeviceSteps, LeaveOutAStepThatIsNotFiniteHoweverFarAhead) {
  const test::HostKernelForm form(KernelForm::torch);
  constexpr std::uint64_t bad = 4;
  const Outcome at_once = run(synthetic(), 9, Where::device, {.run_ahead = 0, .graph = false}, bad);
  const Outcome later = run(synthetic(), 9, Where::device, {.run_ahead = 3, .graph = true}, bad);
  expect_same_bits(later, at_once);
  EXPECT_EQ(at_once.steps, 9U);
  EXPECT_FALSE(later.reports[4].finite);
  EXPECT_EQ(later.batches, 8 * 2);  // Of random and focal views.
  for (const std::size_t i : {0, 3, 5, 8}) {
    EXPECT_TRUE(later.reports[i].finite) << i;
    EXPECT_EQ(later.reports[i].objective.parts.loss, at_once.reports[i].objective.parts.loss) << i;
  }
}

}  // namespace
}  // namespace msn
