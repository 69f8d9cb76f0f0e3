// SPDX-License-Identifier: Apache-2.0
#include "train/plan.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/error.hpp"
#include "data/masks.hpp"
#include "data/sampler.hpp"
#include "model/cost.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

std::int64_t patches_of(int view_size, const ModelConfig& model) {
  const std::int64_t side = view_size / model.patch_size;
  return side * side;
}

std::int64_t elements(const NamedShape& tensor) {
  return std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
}

void count_parameters(const Config& config, RunPlan& plan) {
  for (const NamedShape& tensor : encoder_tensors(vit_shape(config.model))) {
    (tensor.name.starts_with("fc.") ? plan.head_parameters : plan.trunk_parameters) += elements(tensor);
  }
  plan.prototype_parameters = std::int64_t{config.model.prototypes} * config.model.head_out;
}

/// Of a rank, in the trunk.
std::int64_t images_at_once(const Config& config, const RunPlan& plan) {
  return config.train.micro_batch == 0 ? plan.local_batch : config.train.micro_batch;
}

void check_micro_batch(const Config& config, const RunPlan& plan) {
  if (plan.local_batch % images_at_once(config, plan) == 0) return;
  throw config_error("train.micro_batch = " + std::to_string(config.train.micro_batch) +
                         " does not divide the images of a rank, " + std::to_string(plan.local_batch) +
                         " (train.global_batch = " + std::to_string(config.train.global_batch) + " over " +
                         std::to_string(plan.ranks) + " ranks)",
                     "train.micro_batch", "set it to a divisor of " + std::to_string(plan.local_batch) + ", or to 0");
}

void count_flops(const Config& config, RunPlan& plan) {
  const VitShape shape = vit_shape(config.model);
  const auto image = [&](LastBlock last) {
    const auto view = [&](std::int64_t tokens) { return view_flops(shape, config.model.prototypes, tokens, last); };
    double flops = view(plan.target_tokens).forward() + config.views.random * view(plan.random_tokens).training();
    if (config.views.focal > 0) flops += config.views.focal * view(plan.focal_tokens).training();
    return flops;
  };
  plan.image_flops = image(LastBlock::all_tokens);
  plan.image_flops_as_run = image(LastBlock::class_token);
  if (images_at_once(config, plan) == plan.local_batch) return;
  // The anchors' trunk runs forward once more.
  VitShape trunk = shape;
  trunk.head_hidden = 0;
  const auto again = [&](std::int64_t tokens) {
    return view_flops(trunk, 0, tokens, LastBlock::class_token).forward();
  };
  plan.image_flops_as_run += config.views.random * again(plan.random_tokens);
  if (config.views.focal > 0) plan.image_flops_as_run += config.views.focal * again(plan.focal_tokens);
}

}  // namespace

RunPlan plan_run(const Config& config, int ranks, std::uint64_t images, bool on_gpu) {
  RunPlan plan;
  plan.ranks = ranks;
  plan.local_batch = share_of_step(0, images, config.train.global_batch, 0, ranks).count;
  check_micro_batch(config, plan);
  count_parameters(config, plan);
  plan.target_tokens = 1 + patches_of(config.views.random_size, config.model);
  plan.random_tokens = 1 + kept_patches(plan.target_tokens - 1, config.views.mask_ratio);
  if (config.views.focal > 0) plan.focal_tokens = 1 + patches_of(config.views.focal_size, config.model);
  count_flops(config, plan);
  plan.memory = plan_memory(config, {ranks, plan.local_batch, on_gpu});

  plan.images = images;
  plan.steps_per_epoch = steps_per_epoch(images, config.train.global_batch);
  plan.steps = plan.steps_per_epoch * static_cast<std::uint64_t>(config.train.epochs);
  plan.warmup_steps =
      static_cast<std::uint64_t>(config.optim.warmup_epochs * static_cast<double>(plan.steps_per_epoch));
  const Schedules schedules(config.optim, config.loss, config.train, static_cast<std::int64_t>(plan.steps_per_epoch));
  const auto at = [&](std::uint64_t step) { return schedules.at(static_cast<std::int64_t>(step)); };
  plan.start = at(0);
  plan.warm = at(plan.warmup_steps > 0 ? plan.warmup_steps - 1 : 0);
  plan.end = at(plan.steps - 1);
  return plan;
}

std::vector<std::string> dropped_pixels(const Config& config) {
  const int patch = config.model.patch_size;
  std::vector<std::string> warnings;
  const auto look = [&](const char* key, int side) {
    if (side % patch == 0) return;
    warnings.push_back(std::string(key) + " = " + std::to_string(side) +
                       " is no multiple of model.patch_size = " + std::to_string(patch) + ": the last " +
                       std::to_string(side % patch) + " pixels of each row and column are not used");
  };
  look("views.random_size", config.views.random_size);
  if (config.views.focal > 0) look("views.focal_size", config.views.focal_size);
  return warnings;
}

}  // namespace msn
