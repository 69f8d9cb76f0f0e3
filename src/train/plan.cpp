// SPDX-License-Identifier: Apache-2.0
#include "train/plan.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/error.hpp"
#include "checkpoint/slices.hpp"
#include "data/loader.hpp"
#include "data/masks.hpp"
#include "data/sampler.hpp"
#include "data/views.hpp"
#include "model/cost.hpp"
#include "train/setup.hpp"
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

void count_memory(const Config& config, RunPlan& plan) {
  const VitShape shape = vit_shape(config.model);
  const double value_bytes = config.train.precision == Precision::fp64 ? 8 : 4;
  const auto encoder = static_cast<double>(plan.trunk_parameters + plan.head_parameters);
  const auto all = encoder + static_cast<double>(plan.prototype_parameters);
  plan.state_bytes = value_bytes * (4 * all + encoder);
  if (config.train.precision == Precision::bf16) plan.state_bytes += 2 * (all + encoder);

  const auto batch = static_cast<double>(plan.local_batch);
  const auto at_once = static_cast<double>(images_at_once(config, plan));
  const double activation = config.train.precision == Precision::bf16 ? 2 : value_bytes;
  const Recompute recompute = config.train.recompute ? Recompute::norms_and_activations : Recompute::nothing;
  const double tape =
      config.views.random * tape_bytes(shape, plan.random_tokens, activation, value_bytes, recompute) +
      (config.views.focal > 0
           ? config.views.focal * tape_bytes(shape, plan.focal_tokens, activation, value_bytes, recompute)
           : 0);
  // One block of a pass that keeps nothing: the target's, or the gradients of an anchors' block.
  VitShape one_block = shape;
  one_block.depth = 2;
  const double target_block =
      tape_bytes(one_block, plan.target_tokens, activation, value_bytes, Recompute::nothing);
  const double anchor_block = 2 * tape / static_cast<double>(shape.depth);
  plan.activation_bytes = at_once * (tape + std::max(target_block, anchor_block));

  const VisiblePatches visible(config.views, config.model.patch_size, config.train.seed, config.train.global_batch);
  double rows = 0;
  for (int view = 0; view < view_count(config.views); ++view)
    rows += static_cast<double>(visible.count(view));
  plan.loader_bytes =
      sizeof(float) * rows * static_cast<double>(visible.patch_values()) * batch * (Loader::batches_ahead + 1);

  const at::ScalarType type = scalar_type(config.train.precision);
  const std::vector<std::uint64_t> sizes = state_tensor_sizes(shape, config.model.prototypes, type);
  for (const Slice& slice : cut_into_slices(sizes, std::min(config.checkpoint.writers, plan.ranks)))
    plan.checkpoint_bytes = std::max(plan.checkpoint_bytes, static_cast<double>(slice.bytes));
}

}  // namespace

RunPlan plan_run(const Config& config, int ranks, std::uint64_t images) {
  RunPlan plan;
  plan.ranks = ranks;
  plan.local_batch = share_of_step(0, images, config.train.global_batch, 0, ranks).count;
  check_micro_batch(config, plan);
  count_parameters(config, plan);
  plan.target_tokens = 1 + patches_of(config.views.random_size, config.model);
  plan.random_tokens = 1 + kept_patches(plan.target_tokens - 1, config.views.mask_ratio);
  if (config.views.focal > 0) plan.focal_tokens = 1 + patches_of(config.views.focal_size, config.model);
  count_flops(config, plan);
  count_memory(config, plan);

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
