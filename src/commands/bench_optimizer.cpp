// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_optimizer.hpp"

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
#include "train/optimizer_benchmark.hpp"

namespace msn {

namespace {

struct Arguments {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  int repeats = 11;
  BenchOutput output;
};

nlohmann::ordered_json to_json(const OptimizerBenchmark& result, const Config& config, int ranks, int repeats) {
  nlohmann::ordered_json passes = nlohmann::ordered_json::array();
  for (const OptimizerPass& pass : result.passes) {
    const auto bytes = static_cast<double>(pass.bytes);
    passes.push_back({{"state", config.train.precision == Precision::fp64 ? "fp64" : "fp32"},
                      {"bf16_shadows", pass.shadows},
                      {"bytes", pass.bytes},
                      {"seconds", pass.seconds},
                      {"bytes_per_second", bytes / pass.seconds},
                      {"copy_bytes_per_second", bytes / pass.copy_seconds},
                      {"ratio", pass.ratio}});
  }
  return {{"command", "bench optimizer"},
          {"arch", config.model.arch},
          {"patch_size", config.model.patch_size},
          {"ranks", ranks},
          {"threads", result.threads},
          {"parameters", result.parameters},
          {"repeats", repeats},
          {"passes", std::move(passes)}};
}

void print(const nlohmann::ordered_json& result) {
  const double load = load_average();
  const int ranks = result.at("ranks").get<int>(), threads = result.at("threads").get<int>();
  std::printf("%s/%d, %.1f million parameters, %d rank%s of %d thread%s, medians of %d, load average %.2f\n\n",
              result.at("arch").get<std::string>().c_str(), result.at("patch_size").get<int>(),
              1e-6 * result.at("parameters").get<double>(), ranks, ranks == 1 ? "" : "s", threads,
              threads == 1 ? "" : "s", result.at("repeats").get<int>(), load);
  std::printf("  norm and update            ms         MB       GB/s   GB/s of a copy   ratio\n");
  for (const auto& pass : result.at("passes")) {
    const std::string name =
        pass.at("state").get<std::string>() + (pass.at("bf16_shadows").get<bool>() ? ", bf16 shadows" : "");
    std::printf("    %-18s %8.2f %10.1f %10.2f %16.2f %7.2f\n", name.c_str(), 1e3 * pass.at("seconds").get<double>(),
                1e-6 * pass.at("bytes").get<double>(), 1e-9 * pass.at("bytes_per_second").get<double>(),
                1e-9 * pass.at("copy_bytes_per_second").get<double>(), pass.at("ratio").get<double>());
  }
}

void run(const World& world, const Arguments& arguments) {
  Config config;
  world.agree([&] { config = bench_config(arguments.config, arguments.overrides); });
  check_bench_output(world, arguments.output);
  const OptimizerBenchmark result = benchmark_optimizer(world, config, arguments.repeats);
  world.on_root([&] {
    const nlohmann::ordered_json json = to_json(result, config, world.size(), arguments.repeats);
    print(json);
    give_bench_output(arguments.output, json);
    return std::string();
  });
}

}  // namespace

Command make_bench_optimizer_command(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = bench.add_subcommand(
      "optimizer", "Norm of the gradients, AdamW and EMA over a run's state, beside a plain copy of as many bytes");
  add_bench_config(*app, "Configuration whose state is updated", arguments->config, arguments->overrides);
  app->add_option("--repeats", arguments->repeats, "Updates, of which the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_bench_output(*app, arguments->output);
  app->footer(
      "Bytes are those read and written. Under mpirun all ranks update their states at once.\n"
      "Example:\n"
      "  msn bench optimizer configs/vit_s16.toml --set runtime.threads=2");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
