// SPDX-License-Identifier: Apache-2.0
#include "train/start_table.hpp"

#include "base/error.hpp"
#include "base/formatted.hpp"
#include "base/hdf5.hpp"
#include "base/progress.hpp"
#include "comm/mpi_version.hpp"
#include "train/memory_plan.hpp"
#include "train/setup.hpp"

namespace msn {

namespace {

std::string versions(const StartFacts& facts) {
  const StepSurroundings& here = facts.surroundings;
  return "msn " + here.version + ", LibTorch " + here.torch + ", " + mpi_version() + ", HDF5 " + h5::library_version() +
         "; " + here.instruction_set;
}

std::string model(const Config& config, const RunPlan& plan) {
  const ModelConfig& model = config.model;
  constexpr double million = 1e-6;
  return formatted(
      "width %d, depth %d, %d heads, patches of %d: %.2f M parameters, with the head to %d %.2f M; %d "
      "prototypes",
      model.width, model.depth, model.heads, model.patch_size, million * static_cast<double>(plan.trunk_parameters),
      model.head_out, million * static_cast<double>(plan.trunk_parameters + plan.head_parameters), model.prototypes);
}

std::string views(const Config& config, const RunPlan& plan) {
  std::string text = formatted("target of %d pixels, %d random with %lld of %lld patches", config.views.random_size,
                               config.views.random, static_cast<long long>(plan.random_tokens - 1),
                               static_cast<long long>(plan.target_tokens - 1));
  if (config.views.focal > 0) text += formatted(", %d focal of %d pixels", config.views.focal, config.views.focal_size);
  return text;
}

std::string batch(const Config& config, const RunPlan& plan) {
  std::string text = with_commas(static_cast<std::uint64_t>(config.train.global_batch)) + " of " +
                     with_commas(plan.images) + " images of an epoch, " + std::to_string(plan.local_batch) +
                     " on each of " + std::to_string(plan.ranks) + (plan.ranks == 1 ? " rank" : " ranks");
  if (config.train.micro_batch > 0) text += ", " + std::to_string(config.train.micro_batch) + " at a time";
  return text + ", in " + name_of(config.train.precision);
}

std::string steps(const Config& config, const StartFacts& facts) {
  std::string text = with_commas(facts.completed + 1) + " to " + with_commas(facts.last);
  if (facts.completed >= facts.last) text = "none left up to " + with_commas(facts.last);
  return text + " of " + with_commas(facts.plan.steps) + ": " + std::to_string(config.train.epochs) + " epochs of " +
         with_commas(facts.plan.steps_per_epoch) + ", warm-up " + with_commas(facts.plan.warmup_steps);
}

std::string schedules(const RunPlan& plan) {
  return formatted("learning rate %.2e, %.2e, %.2e; weight decay %.3g to %.3g; EMA %.4g to %.4g", plan.start.lr,
                   plan.warm.lr, plan.end.lr, plan.start.weight_decay, plan.end.weight_decay, plan.start.ema_momentum,
                   plan.end.ema_momentum);
}

std::string memory(const MemoryPlan& plan) {
  const std::string host = size_text(plan.host_bytes()) + " of the host";
  return (plan.on_gpu ? size_text(plan.device_bytes()) + " of the GPU, " + host : host) + " for a rank, as planned";
}

std::string saves(const CheckpointConfig& checkpoint) {
  std::string text;
  if (checkpoint.every_steps > 0)
    text = "every " + with_commas(static_cast<std::uint64_t>(checkpoint.every_steps)) + " steps, ";
  if (checkpoint.every_minutes > 0) text += formatted("every %g minutes, ", checkpoint.every_minutes);
  return text + "and at the end; the newest " + std::to_string(checkpoint.keep) + " are kept";
}

}  // namespace

std::vector<std::string> start_table(const Config& config, const StartFacts& facts) {
  std::vector<std::string> lines;
  const auto row = [&](std::string name, const std::string& text) {
    name.resize(13, ' ');
    lines.push_back(name + text);
  };
  row("versions", versions(facts));
  row("run", one_line(facts.run.string()));
  row("model", model(config, facts.plan));
  row("views", views(config, facts.plan));
  row("batch", batch(config, facts.plan));
  row("steps", steps(config, facts));
  row("schedules", schedules(facts.plan));
  row("memory", memory(facts.plan.memory));
  row("checkpoints", saves(config.checkpoint));
  return lines;
}

}  // namespace msn
