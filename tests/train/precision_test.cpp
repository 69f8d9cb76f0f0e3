// SPDX-License-Identifier: Apache-2.0
// Steps in bfloat16, and what recomputation must not change.
#include <cstdint>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "comm/mpi_communicator.hpp"
#include "data/synthetic_batches.hpp"
#include "kernels/instruction_set.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"
#include "train/batch_tensors.hpp"
#include "train/setup.hpp"
#include "train/step.hpp"
#include "train/tiny_step_config.hpp"

namespace msn {
namespace {

/// Heads of a width that no vector divides, and drop path.
Config tiny() {
  Config config = test::tiny_step_config(16);
  config.model.width = 40;
  config.model.depth = 3;
  config.model.drop_path = 0.2;
  return config;
}

/// A state and the stepper that takes it on.
class Training {
 public:
  Training(const Config& config, const Communicator& communicator)
      : config_(config),
        communicator_(communicator),
        state(vit_shape(config.model), config.model.prototypes, scalar_type(config.train.precision)) {
    state.initialise(3);
    renew();
  }

  /// As a resume does: another stepper on the state.
  void renew() { stepper_.emplace(state, config_, communicator_); }

  void step() {
    const int share = config_.train.global_batch / communicator_.size();
    SyntheticBatches batches(config_, static_cast<std::uint64_t>(share),
                             {.global_batch = share, .patch_size = config_.model.patch_size});
    const Batch batch = batches.next();
    const Schedules schedules(config_.optim, config_.loss, config_.train, 10);
    const StepReport report = stepper_->run(make_step_input(batch, config_, compute_type(config_.train.precision)),
                                            schedules.at(static_cast<std::int64_t>(state.step)));
    EXPECT_TRUE(report.finite);
  }

 private:
  const Config config_;
  const Communicator& communicator_;
  std::optional<Stepper> stepper_;

 public:
  TrainState state;
};

void expect_same_bits(const Training& a, const Training& b) {
  EXPECT_TRUE(a.state.online.values().equal(b.state.online.values()));
  EXPECT_TRUE(a.state.target.values().equal(b.state.target.values()));
  EXPECT_TRUE(a.state.exp_avg.equal(b.state.exp_avg));
  EXPECT_TRUE(a.state.exp_avg_sq.equal(b.state.exp_avg_sq));
}

TEST(Precision, InBfloat16AResumedRunHasTheSameBits) {
  const MpiCommunicator communicator(test::world());
  Config config = tiny();
  config.train.precision = Precision::bf16;
  Training straight(config, communicator), resumed(config, communicator);
  for (int step = 0; step < 3; ++step) {
    straight.step();
    resumed.step();
    resumed.renew();
  }
  EXPECT_EQ(straight.state.online.type(), at::kFloat);
  expect_same_bits(straight, resumed);
}

TEST(Precision, RecomputationChangesNoBit) {
  const MpiCommunicator communicator(test::world());
  for (const Precision precision : {Precision::fp32, Precision::fp64, Precision::bf16}) {
    Config config = tiny();
    config.train.precision = precision;
    Training recomputing(config, communicator);
    config.train.recompute = false;
    Training keeping(config, communicator);
    for (int step = 0; step < 3; ++step) {
      recomputing.step();
      keeping.step();
    }
    expect_same_bits(recomputing, keeping);
  }
}

TEST(Precision, GradientsSummedInBfloat16ChangeATrainingLittle) {
  const MpiCommunicator communicator(test::world());
  Config config = tiny();
  Training full(config, communicator);
  config.train.reduce_precision = ReducePrecision::bf16;
  Training rounded(config, communicator), again(config, communicator);
  const at::Tensor start = full.state.online.values().clone();
  for (int step = 0; step < 10; ++step) {
    for (Training* training : {&full, &rounded, &again})
      training->step();
  }
  expect_same_bits(rounded, again);
  const at::Tensor& values = full.state.online.values();
  const double moved = values.sub(start).norm().item<double>();
  const double apart = rounded.state.online.values().sub(values).norm().item<double>();
  EXPECT_GT(moved, 0);
  if (communicator.size() == 1) {
    EXPECT_EQ(apart, 0) << "nothing travels";
  } else {
    EXPECT_GT(apart, 0);
    EXPECT_LT(apart, 0.1 * moved);
  }
}

TEST(Precision, Bfloat16NeedsAProcessorThatHasIt) {
  Config config = tiny();
  check_precision(config);
  config.train.precision = Precision::bf16;
  if (kernels::has_native_bf16()) {
    check_precision(config);
  } else {
    const std::string message = test::refusal([&] { check_precision(config); }, ExitCode::config);
    EXPECT_NE(message.find("--set runtime.allow_slow_bf16=true"), std::string::npos) << message;
  }
  config.runtime.allow_slow_bf16 = true;
  check_precision(config);
}

TEST(Precision, TensorFloat32NeedsAGpu) {
  Config config = tiny();
  config.train.precision = Precision::tf32;
  const std::string message = test::refusal([&] { check_precision(config); }, ExitCode::config);
  EXPECT_NE(message.find("--device cuda"), std::string::npos) << message;
  check_precision(config, at::kCUDA);
  config.train.precision = Precision::bf16;
  config.runtime.allow_slow_bf16 = false;
  check_precision(config, at::kCUDA);
}

}  // namespace
}  // namespace msn
