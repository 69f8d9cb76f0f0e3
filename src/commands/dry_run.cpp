// SPDX-License-Identifier: Apache-2.0
#include "commands/dry_run.hpp"

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/log.hpp"
#include "commands/image_count.hpp"
#include "objective/prior.hpp"
#include "train/bad_samples.hpp"
#include "train/plan.hpp"

namespace msn {

namespace {

void print_schedule(const char* name, std::uint64_t step, const ScheduleValues& values) {
  std::printf("  %-18s %-9llu %.4e     %.6f      %.6f  %.4f\n", name, static_cast<unsigned long long>(step), values.lr,
              values.weight_decay, values.ema_momentum, values.sharpen);
}

void print_memory(const MemoryPlan& plan) {
  const auto print = [](const char* heading, const MemoryTable& table) {
    std::printf("%-17s %s\n", heading, size_text(table.total()).c_str());
    for (std::size_t use = 0; use < kMemoryUses; ++use) {
      if (table.bytes[use] <= 0) continue;
      std::printf("                    %-28s %s\n", std::string(name_of(static_cast<MemoryUse>(use))).c_str(),
                  size_text(table.bytes[use]).c_str());
    }
  };
  print(plan.on_gpu ? "memory of a GPU" : "memory of a step", plan.step);
  print(plan.on_gpu ? "host memory" : "beside it", plan.host);
}

nlohmann::ordered_json memory_json(const MemoryTable& table) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t use = 0; use < kMemoryUses; ++use) {
    if (table.bytes[use] > 0) json[std::string(name_of(static_cast<MemoryUse>(use)))] = table.bytes[use];
  }
  return json;
}

void print_table(const Config& config, const RunPlan& plan, const std::string& source) {
  const auto millions = [](std::int64_t count) { return static_cast<double>(count) * 1e-6; };
  const auto integer = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
  constexpr double giga = 1e-9;
  std::printf("parameters        %.2f M: trunk %.2f, head %.2f, prototypes %.2f\n", millions(plan.parameters()),
              millions(plan.trunk_parameters), millions(plan.head_parameters), millions(plan.prototype_parameters));
  std::printf("tokens a view     target %lld, random %lld (masked %g), focal %lld\n",
              static_cast<long long>(plan.target_tokens), static_cast<long long>(plan.random_tokens),
              config.views.mask_ratio, static_cast<long long>(plan.focal_tokens));
  std::printf("operations        %.1f GFLOP an image with 1 target, %d random and %d focal views\n",
              plan.image_flops * giga, config.views.random, config.views.focal);
  std::printf("                  %.1f GFLOP as computed: the last block for the class token alone\n",
              plan.image_flops_as_run * giga);
  std::printf("ranks             %d, with %lld images of the global batch of %d each\n", plan.ranks,
              static_cast<long long>(plan.local_batch), config.train.global_batch);
  print_memory(plan.memory);
  std::printf("images            %llu, %s\n", integer(plan.images), source.c_str());
  std::printf("steps             %llu an epoch, %llu in %d epochs, warm-up %llu\n", integer(plan.steps_per_epoch),
              integer(plan.steps), config.train.epochs, integer(plan.warmup_steps));
  if (config.data.order == DataOrder::blockwise) {
    std::printf("order             blockwise: blocks of %d images, windows of %d blocks\n", config.data.block,
                config.data.window);
  }
  std::printf("bad images        %llu an epoch are replaced, more end the run\n",
              integer(allowed_bad(config.data.max_bad, plan.images)));
  std::printf("schedules         step      learning rate  weight decay  EMA       sharpen T\n");
  print_schedule("start", 0, plan.start);
  if (plan.warmup_steps > 0) print_schedule("end of warm-up", plan.warmup_steps - 1, plan.warm);
  print_schedule("end", plan.steps - 1, plan.end);
}

nlohmann::ordered_json schedule_json(std::uint64_t step, const ScheduleValues& values) {
  return {{"step", step},
          {"lr", values.lr},
          {"weight_decay", values.weight_decay},
          {"ema", values.ema_momentum},
          {"sharpen", values.sharpen}};
}

void print_json(const Config& config, const RunPlan& plan) {
  const nlohmann::ordered_json line = {
      {"command", "train --dry-run"},
      {"parameters",
       {{"trunk", plan.trunk_parameters}, {"head", plan.head_parameters}, {"prototypes", plan.prototype_parameters}}},
      {"tokens", {{"target", plan.target_tokens}, {"random", plan.random_tokens}, {"focal", plan.focal_tokens}}},
      {"flops_per_image", plan.image_flops},
      {"flops_per_image_as_run", plan.image_flops_as_run},
      {"ranks", plan.ranks},
      {"global_batch", config.train.global_batch},
      {"local_batch", plan.local_batch},
      {"device", plan.memory.on_gpu ? "cuda" : "cpu"},
      {"bytes_per_rank", {{"step", memory_json(plan.memory.step)}, {"host", memory_json(plan.memory.host)}}},
      {"images", plan.images},
      {"steps_per_epoch", plan.steps_per_epoch},
      {"steps", plan.steps},
      {"schedules",
       {{"start", schedule_json(0, plan.start)},
        {"end_of_warmup", schedule_json(plan.warmup_steps > 0 ? plan.warmup_steps - 1 : 0, plan.warm)},
        {"end", schedule_json(plan.steps - 1, plan.end)}}}};
  std::printf("%s\n", line.dump().c_str());
}

}  // namespace

void dry_run(const World& world, const Config& config, const DryRunOptions& options, bool json) {
  RunPlan plan;
  std::string source;
  world.agree([&] {
    const ImageCount count = count_images(config, options.images);
    plan = plan_run(config, options.ranks.value_or(world.size()), count.images, options.on_gpu);
    source = count.source;
    log_prior(config.loss, config.model.prototypes);  // For its file: what training refuses is refused here.
  });
  if (world.rank() != 0) return;
  for (const std::string& warning : dropped_pixels(config))
    log::warn(warning);
  print_table(config, plan, source);
  if (json) print_json(config, plan);
  std::fflush(stdout);
}

}  // namespace msn
