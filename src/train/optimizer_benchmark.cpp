// SPDX-License-Identifier: Apache-2.0
#include "train/optimizer_benchmark.hpp"

#include <ATen/core/Tensor.h>

#include <chrono>
#include <functional>
#include <optional>

#include "base/quantile.hpp"
#include "base/seconds_since.hpp"
#include "train/optimizer.hpp"
#include "train/plain_copy.hpp"
#include "train/setup.hpp"
#include "train/state.hpp"
#include "train/threads.hpp"

namespace msn {

namespace {

/// Of the slowest rank.
double seconds_of(const World& world, const std::function<void()>& work) {
  world.barrier();
  const auto began = std::chrono::steady_clock::now();
  work();
  world.barrier();
  return seconds_since(began);
}

/// One form of the pass, in turn with the copy.
class Pass {
 public:
  Pass(const World& world, const Config& config, TrainState& state, bool shadows)
      : world_(world),
        options_{config.optim.clip, config.model.freeze_prototypes, world.size()},
        state_(state),
        shadows_(shadows) {
    if (shadows) shadow_ = {state.online.values().to(at::kBFloat16), state.target.values().to(at::kBFloat16)};
  }

  OptimizerPass measure(int repeats) {
    OptimizerPass result;
    result.shadows = shadows_;
    const std::int64_t bytes = optimizer_bytes(state_, options_, shadows_);
    result.bytes = world_.size() * bytes;
    const PlainCopy copy(bytes);
    update();  // The first one finds memory that nobody has used.
    std::vector<double> seconds, copy_seconds, ratio;
    for (int i = 0; i < repeats; ++i) {
      seconds.push_back(seconds_of(world_, [&] { update(); }));
      copy_seconds.push_back(seconds_of(world_, [&] { copy.move(bytes); }));
      ratio.push_back(copy_seconds.back() / seconds.back());
    }
    result.seconds = median(seconds);
    result.copy_seconds = median(copy_seconds);
    result.ratio = median(ratio);
    return result;
  }

 private:
  void update() {
    const ScheduleValues schedule{.lr = 1e-3, .weight_decay = 0.1, .ema_momentum = 0.996};
    update_state(state_, options_, gradient_norms(state_, options_), schedule, shadow_);
  }

  const World& world_;
  const OptimizerOptions options_;
  TrainState& state_;
  const bool shadows_;
  WeightShadows shadow_;
};

}  // namespace

OptimizerBenchmark benchmark_optimizer(const World& world, const Config& config, int repeats) {
  OptimizerBenchmark result;
  result.threads = set_up_threads(world, config.runtime.threads);
  std::optional<TrainState> state;
  world.agree([&] {
    state.emplace(vit_shape(config.model), config.model.prototypes, scalar_type(config.train.precision));
    state->initialise(config.train.seed);
    state->online.gradients().fill_(1e-3);
  });
  result.parameters = state->online.count();
  for (const bool shadows : {false, true}) {
    if (shadows && state->online.type() != at::kFloat) continue;
    std::optional<Pass> pass;
    world.agree([&] { pass.emplace(world, config, *state, shadows); });
    result.passes.push_back(pass->measure(repeats));
  }
  return result;
}

}  // namespace msn
