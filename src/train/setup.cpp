// SPDX-License-Identifier: Apache-2.0
#include "train/setup.hpp"

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/log.hpp"
#include "checkpoint/checkpoint.hpp"
#include "kernels/instruction_set.hpp"
#include "train/host_state.hpp"
#include "model/gemm.hpp"
#include "train/initial_weights.hpp"
#include "train/plan.hpp"

namespace msn {

at::ScalarType scalar_type(Precision precision) {
  return precision == Precision::fp64 ? at::kDouble : at::kFloat;
}

at::ScalarType compute_type(Precision precision) {
  return precision == Precision::bf16 ? at::kBFloat16 : scalar_type(precision);
}

std::string name_of(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::fp64:
      return "fp64";
    case Precision::bf16:
      return "bf16";
    case Precision::tf32:
      return "tf32";
  }
  MSN_CHECK(!"a precision");
}

void check_precision(const Config& config, at::Device device) {
  if (!device.is_cpu()) return;
  if (config.train.precision == Precision::tf32) {
    throw config_error("TensorFloat-32 products are those of a GPU, and this run is on processors",
                       "train.precision = \"tf32\"", "train with \"fp32\", or on a GPU with --device cuda");
  }
  if (config.train.precision != Precision::bf16 || config.runtime.allow_slow_bf16 || kernels::has_native_bf16()) return;
  throw config_error(
      "this processor has no instructions for bfloat16 (AVX512_BF16, AMX-BF16) and would be slower with it "
      "than with float32",
      "train.precision = \"bf16\"", "train with \"fp32\", or insist with --set runtime.allow_slow_bf16=true");
}

void set_up_precision(const Config& config) {
  set_tf32_products(config.train.precision == Precision::tf32);
}

TrainingInput open_input_of_run(const World& world, const Config& config, bool on_gpu) {
  double rank_bytes = 0;
  world.agree([&] {
    // A step needs the same for any number of images.
    const auto images = static_cast<std::uint64_t>(config.train.global_batch);
    rank_bytes = plan_run(config, world.size(), images, on_gpu).memory.host_bytes();
  });
  return open_input(world, config, static_cast<std::uint64_t>(rank_bytes));
}

std::uint64_t completed_steps(const World& world, const std::optional<std::filesystem::path>& checkpoint) {
  if (!checkpoint) return 0;
  return std::stoull(world.on_root([&] { return std::to_string(read_manifest(*checkpoint).facts.step); }));
}

namespace {

/// Versions that recorded no surroundings kept the moments of the prototypes' gradient summed over their ranks, not of
/// its mean.
void take_moments_of_sum(const CheckpointFacts& facts, TrainState& state) {
  if (facts.threads > 0 || facts.world_size == 1) return;
  const Segment& prototypes = state.online.segment("prototypes");
  const double ranks = facts.world_size;
  Parameters::view(state.exp_avg, prototypes).div_(ranks);
  Parameters::view(state.exp_avg_sq, prototypes).div_(ranks * ranks);
}

}  // namespace

void load_state(const World& world, const Config& config, const std::optional<std::filesystem::path>& checkpoint,
                TrainState& loaded) {
  HostState host(loaded);
  TrainState& state = host.get();
  state.initialise(config.train.seed);
  if (checkpoint) {
    world.agree([&] {
      read_checkpoint(*checkpoint, state_tensors(state));
      const CheckpointFacts facts = read_manifest(*checkpoint).facts;
      state.step = facts.step;
      state.skipped = facts.skipped;
      state.skipped_in_a_row = facts.skipped_in_a_row;
      take_moments_of_sum(facts, state);
    });
  } else if (!config.model.init.empty()) {
    std::vector<std::string> notes;
    world.agree([&] { notes = load_initial_weights(config.model.init, state); });
    for (const std::string& note : notes)
      log::info(note);
  }
  host.upload();
}

}  // namespace msn
