// SPDX-License-Identifier: Apache-2.0
#include "commands/bench.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/machine_use.hpp"
#include "comm/world.hpp"
#include "commands/bench_allreduce.hpp"
#include "commands/bench_checkpoint.hpp"
#include "commands/bench_config.hpp"
#include "commands/bench_gemm.hpp"
#include "commands/bench_optimizer.hpp"
#include "commands/bench_output.hpp"
#include "commands/bench_step.hpp"
#include "data/input_benchmark.hpp"
#include "data/workers.hpp"

namespace msn {

namespace {

enum class Kernels { fastest, generic };

struct Arguments {
  std::filesystem::path data;
  std::filesystem::path config;
  std::vector<std::string> overrides;
  std::uint64_t images = 500;
  int threads = 0;
  int repeats = 1;
  Kernels kernels = Kernels::fastest;
  BenchOutput output;
};

nlohmann::ordered_json to_json(const InputBenchmark& result) {
  const auto images = static_cast<double>(result.images);
  nlohmann::ordered_json stages = nlohmann::ordered_json::object();
  for (const StageCost& stage : result.stages)
    stages[stage.name] = 1e3 * stage.cpu_seconds / images;
  const auto rate = [&](const PipelineRate& pipeline) {
    return nlohmann::ordered_json{{"images_per_second", images / pipeline.wall_seconds},
                                  {"images_per_cpu_second", images / pipeline.cpu_seconds},
                                  {"wall_seconds", pipeline.wall_seconds},
                                  {"cpu_seconds", pipeline.cpu_seconds},
                                  {"cpu_share", pipeline.cpu_seconds / (pipeline.wall_seconds * result.threads)}};
  };
  return {{"command", "bench input"},
          {"kernels", result.kernels},
          {"images", result.images},
          {"threads", result.threads},
          {"stage_cpu_ms", stages},
          {"pixels", rate(result.pixels)},
          {"patch_rows", rate(result.patch_rows)}};
}

void print(const nlohmann::ordered_json& result) {
  const double load = load_average();
  std::printf("%llu images, kernels %s, load average %.2f\n\n",
              static_cast<unsigned long long>(result.at("images").get<std::uint64_t>()),
              result.at("kernels").get<std::string>().c_str(), load);
  std::printf("  one thread, CPU ms an image\n");
  for (const auto& [name, milliseconds] : result.at("stage_cpu_ms").items())
    std::printf("    %-22s %8.3f\n", name.c_str(), milliseconds.get<double>());
  std::printf("\n  from the shard to all views, %d threads     images/s   images/s of CPU   CPU share\n",
              result.at("threads").get<int>());
  for (const auto& [key, name] : {std::pair{"pixels", "8-bit pixels"}, std::pair{"patch_rows", "float32 patch rows"}}) {
    const auto& rate = result.at(key);
    std::printf("    %-39s %9.1f %14.1f %13.0f %%\n", name, rate.at("images_per_second").get<double>(),
                rate.at("images_per_cpu_second").get<double>(), 100 * rate.at("cpu_share").get<double>());
  }
}

void run_input(World& world, const Arguments& arguments) {
  check_bench_output(world, arguments.output);
  world.on_root([&] {
    const Config config = bench_config(arguments.config, arguments.overrides);
    const DataSet set(arguments.data);
    const int threads = arguments.threads > 0 ? arguments.threads : allowed_cores();
    const PixelKernels& kernels = arguments.kernels == Kernels::generic ? generic_pixel_kernels() : pixel_kernels();
    const nlohmann::ordered_json result =
        to_json(benchmark_input(set, config, arguments.images, threads, arguments.repeats, kernels));
    print(result);
    give_bench_output(arguments.output, result);
    return std::string();
  });
}

}  // namespace

Command make_bench_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("bench", "Measure the parts of a run on this machine");
  app->require_subcommand(1);
  CLI::App* input = app->add_subcommand("input", "From a packed data set to views, stage by stage and as a whole");
  input->add_option("--data", arguments->data, "Folder of the packed data set")->required();
  input->add_option("--config", arguments->config,
                    "Configuration whose views are made; without it the published ViT-S/16 views");
  input->add_option("--set", arguments->overrides, "Override a key: section.key=value; may be given again")
      ->expected(1)
      ->take_all();
  input->add_option("--images", arguments->images, "Use the first images of the set, at most this many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  input->add_option("--threads", arguments->threads, "Threads of the whole pipeline; 0: all cores that may be used")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  input->add_option("--repeats", arguments->repeats, "Go over the images this many times")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  input->add_option("--kernels", arguments->kernels, "fastest (default): the best form for this processor; generic")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Kernels>{{"fastest", Kernels::fastest}, {"generic", Kernels::generic}}))
      ->option_text("fastest|generic");
  add_bench_output(*input, arguments->output);
  input->footer(
      "Example:\n"
      "  msn bench input --data data/imagenet-val --threads 1");
  const Command allreduce = make_bench_allreduce_command(*app);
  const Command checkpoint = make_bench_checkpoint_command(*app);
  const Command gemm = make_bench_gemm_command(*app);
  const Command optimizer = make_bench_optimizer_command(*app);
  const Command step = make_bench_step_command(*app);
  return {app, [arguments, allreduce, checkpoint, gemm, optimizer, step](World& world) {
            if (allreduce.app->parsed()) return allreduce.run(world);
            if (checkpoint.app->parsed()) return checkpoint.run(world);
            if (gemm.app->parsed()) return gemm.run(world);
            if (optimizer.app->parsed()) return optimizer.run(world);
            if (step.app->parsed()) return step.run(world);
            run_input(world, *arguments);
          }};
}

}  // namespace msn
