// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_checkpoint.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/machine_use.hpp"
#include "comm/world.hpp"
#include "commands/bench_config.hpp"
#include "commands/bench_output.hpp"
#include "config/config.hpp"
#include "train/checkpoint_benchmark.hpp"

namespace msn {

namespace {

struct Arguments {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  std::filesystem::path run;
  int repeats = 5;
  BenchOutput output;
};

void print(const ReadingTimes& times, const char* from) {
  std::printf("  %-14s reading %.3f s, loading %.3f s (%.2f times that), verifying %.3f s (%.2f)\n", from, times.plain,
              times.load, times.load / times.plain, times.verify, times.verify / times.plain);
}

void print(const CheckpointBenchmark& result, int ranks, int repeats) {
  const double load = load_average();
  const double megabytes = 1e-6 * static_cast<double>(result.bytes);
  std::printf("%.1f MB in %d file%s, %d rank%s, medians of %d, load average %.2f\n\n", megabytes, result.writers,
              result.writers == 1 ? "" : "s", ranks, ranks == 1 ? "" : "s", repeats, load);
  std::printf("  training held  %.3f s: comparing replicas, and copying %.3f\n", result.held, result.copy);
  std::printf("  writing        %.1f MB/s (%.3f s from the copy until durable)\n", megabytes / result.write,
              result.write);
  std::printf("  write + fsync  %.1f MB/s (%.3f s); ratio %.2f\n", megabytes / result.plain_write, result.plain_write,
              result.ratio);
  print(result.from_disk, "from the disk");
  print(result.from_memory, "from memory");
}

nlohmann::ordered_json to_json(const ReadingTimes& times) {
  return {{"plain_seconds", times.plain}, {"load_seconds", times.load}, {"verify_seconds", times.verify}};
}

nlohmann::ordered_json to_json(const CheckpointBenchmark& result, int ranks) {
  return {{"command", "bench checkpoint"},
          {"ranks", ranks},
          {"writers", result.writers},
          {"bytes", result.bytes},
          {"held_seconds", result.held},
          {"copy_seconds", result.copy},
          {"write_seconds", result.write},
          {"plain_write_seconds", result.plain_write},
          {"write_ratio", result.ratio},
          {"from_disk", to_json(result.from_disk)},
          {"from_memory", to_json(result.from_memory)}};
}

void run(const World& world, const Arguments& arguments) {
  Config config;
  world.agree([&] { config = bench_config(arguments.config, arguments.overrides); });
  check_bench_output(world, arguments.output);
  const CheckpointBenchmark result = benchmark_checkpoint(world, config, arguments.run, arguments.repeats);
  world.on_root([&] {
    print(result, world.size(), arguments.repeats);
    give_bench_output(arguments.output, to_json(result, world.size()));
    return std::string();
  });
}

}  // namespace

Command make_bench_checkpoint_command(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = bench.add_subcommand("checkpoint", "Saving and loading a run's state, beside plain writes and reads");
  add_bench_config(*app, "Configuration whose state is saved", arguments->config, arguments->overrides);
  app->add_option("--run", arguments->run, "Folder on the disk in question; nothing stays in it")->required();
  app->add_option("--repeats", arguments->repeats, "Times that everything is done, of which the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_bench_output(*app, arguments->output);
  app->footer(
      "Takes room for two checkpoints on the disk.\n"
      "Example:\n"
      "  msn bench checkpoint configs/vit_s16.toml --run /scratch/me");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
