// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_step.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/machine_use.hpp"
#include "base/quantile.hpp"
#include "comm/world.hpp"
#include "commands/bench_config.hpp"
#include "commands/bench_output.hpp"
#include "commands/device_option.hpp"
#include "commands/provenance.hpp"
#include "config/config.hpp"
#include "train/setup.hpp"
#include "train/step_benchmark.hpp"

namespace msn {

namespace {

constexpr std::array kShown{Section::data, Section::forward, Section::backward, Section::reduce, Section::update};

struct Arguments {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  int batch = 8;
  StepBenchmarkOptions steps;
  std::filesystem::path data;
  std::string device = "cpu";
  BenchOutput output;
};

/// By kind; then "other", which no kind claims, and "waiting" for other ranks. Together they are the whole step.
nlohmann::ordered_json work_to_json(const StepBenchmark& result, int ranks) {
  double busy = 0, waiting = 0;
  for (std::size_t i = 0; i < kSections; ++i) {
    busy += result.sections.busy[i];
    waiting += result.sections.waiting[i];
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  double other = busy;
  for (std::size_t i = 0; i < kernels::kWorks; ++i) {
    const kernels::WorkTime& work = result.work[i];
    nlohmann::ordered_json& row = all[std::string(kernels::name_of(static_cast<kernels::Work>(i)))];
    row = {{"seconds", work.seconds},
           {"share", work.seconds / (busy + waiting)},
           {"calls", work.calls},
           {"bytes", work.bytes},
           {"flops", work.flops}};
    const double floor = floor_seconds(work, result, ranks);
    if (floor > 0) row["floor_seconds"] = floor;
    other -= work.seconds;
  }
  all["other"] = {{"seconds", other}, {"share", other / (busy + waiting)}};
  all["waiting"] = {{"seconds", waiting}, {"share", waiting / (busy + waiting)}};
  return all;
}

/// Seconds a step, the mean over steps and ranks, in parts that make a whole. A GPU's host does not know what its
/// device does when.
nlohmann::ordered_json breakdown_to_json(const StepBenchmark& result) {
  const double whole = mean(result.step_seconds);
  if (result.on_gpu) return {{"device", std::max(0.0, whole - result.input_wait)}, {"input", result.input_wait}};
  const auto busy = [&](Section section) { return result.sections.busy[static_cast<std::size_t>(section)]; };
  const double summing = result.work[static_cast<std::size_t>(kernels::Work::gradient_sum)].seconds;
  const double waiting = std::accumulate(result.sections.waiting.begin(), result.sections.waiting.end(), 0.0);
  const double compute = busy(Section::forward) + busy(Section::backward) + busy(Section::reduce) - summing;
  const double update = busy(Section::update);
  // The slowest rank's steps are a little longer than the mean rank's parts.
  const double other = whole - compute - summing - waiting - update - result.input_wait;
  return {{"compute", compute},
          {"exchange", summing + waiting},
          {"optimizer", update},
          {"input", result.input_wait},
          {"other", std::max(0.0, other)}};
}

nlohmann::ordered_json to_json(const StepBenchmark& result, const Config& config, int ranks, int warm_up) {
  const double images = config.train.global_batch;
  const double middle = median(result.step_seconds);
  nlohmann::ordered_json sections = nlohmann::ordered_json::object();
  for (const Section section : kShown) {
    const auto index = static_cast<std::size_t>(section);
    sections[to_string(section)] = {{"seconds", result.sections.busy[index]},
                                    {"waiting_seconds", result.sections.waiting[index]}};
  }
  return {{"command", "bench step"},
          {"arch", config.model.arch},
          {"patch_size", config.model.patch_size},
          {"device", result.device},
          {"on_gpu", result.on_gpu},
          {"input", config.data.input == DataInput::synthetic ? "synthetic" : "images"},
          {"precision", name_of(config.train.precision)},
          {"ranks", ranks},
          {"threads", result.threads},
          {"global_batch", config.train.global_batch},
          {"steps", result.step_seconds.size()},
          {"warm_up", warm_up},
          {"step_seconds", middle},
          {"step_seconds_p10", quantile(result.step_seconds, 0.1)},
          {"step_seconds_p90", quantile(result.step_seconds, 0.9)},
          {"step_seconds_mean", mean(result.step_seconds)},
          {"images_per_second", images / middle},
          // A slow step is one of few images a second.
          {"images_per_second_p10", images / quantile(result.step_seconds, 0.9)},
          {"images_per_second_p90", images / quantile(result.step_seconds, 0.1)},
          {"sections", sections},
          {"work", work_to_json(result, ranks)},
          {"breakdown", breakdown_to_json(result)},
          {"flops", result.flops},
          {"flops_per_second", result.flops / middle},
          {"gemm_flops_per_second", result.gemm_rate},
          {"copy_bytes_per_second", result.copy_rate},
          {"share_of_gemm", result.flops / middle / result.gemm_rate},
          {"peak_memory_bytes", result.memory.peak},
          {"memory_after_construction_bytes", result.memory.after_construction},
          {"moments_bytes", result.memory.moments},
          {"memory_of_steps_bytes", result.memory.peak - result.memory.after_construction},
          {"arena",
           {{"peak_bytes", result.memory.arena_peak},
            {"committed_bytes", result.memory.arena_committed},
            {"growths_after_first_step", result.memory.arena_growths},
            {"refused", result.memory.arena_refused}}},
          {"others_cpu_share", result.others_share},
          {"each_step_seconds", result.step_seconds},
          {"config", to_toml(config)}};
}

void print_work(const nlohmann::ordered_json& work) {
  std::printf("\n  work          s a step    share    floor   of it\n");
  for (const auto& [name, row] : work.items()) {
    const double seconds = row.at("seconds").get<double>();
    if (row.contains("calls") && row.at("calls") == 0) continue;
    std::printf("    %-12s %7.4f %6.1f %%", name.c_str(), seconds, 100 * row.at("share").get<double>());
    if (row.contains("floor_seconds")) {
      const double floor = row.at("floor_seconds").get<double>();
      std::printf(" %8.4f %7.2f", floor, seconds / floor);
    }
    std::printf("\n");
  }
}

void print_host_memory(const nlohmann::ordered_json& result) {
  const auto number = [&](const char* key) { return result.at(key).get<double>(); };
  std::printf("  plain copy    %.1f GB/s read and written, all ranks together\n",
              1e-9 * number("copy_bytes_per_second"));
  const auto gib = [&](const nlohmann::ordered_json& bytes) { return bytes.get<double>() / (1 << 30); };
  const auto& arena = result.at("arena");
  std::printf("  peak memory   %.2f GiB of the largest rank: %.2f with the model, %.2f by the steps\n",
              gib(result.at("peak_memory_bytes")), gib(result.at("memory_after_construction_bytes")),
              gib(result.at("memory_of_steps_bytes")));
  std::printf(
      "  arena         %.2f GiB for at most %.2f in use; grew %.0f times after the first step, refused %.0f\n\n",
      gib(arena.at("committed_bytes")), gib(arena.at("peak_bytes")), arena.at("growths_after_first_step").get<double>(),
      arena.at("refused").get<double>());
}

void print(const nlohmann::ordered_json& result, bool on_gpu) {
  const auto number = [&](const char* key) { return result.at(key).get<double>(); };
  std::printf("%s\n", result.at("device").get<std::string>().c_str());
  std::printf("%s/%d, %s, %d images a step on %d rank%s of %d thread%s, %d steps, load average %.2f\n\n",
              result.at("arch").get<std::string>().c_str(), result.at("patch_size").get<int>(),
              result.at("precision").get<std::string>().c_str(), result.at("global_batch").get<int>(),
              result.at("ranks").get<int>(), result.at("ranks") == 1 ? "" : "s", result.at("threads").get<int>(),
              result.at("threads") == 1 ? "" : "s", result.at("steps").get<int>(), load_average());
  std::printf("  images/s      %.2f, the median (p10 %.2f, p90 %.2f)\n", number("images_per_second"),
              number("images_per_second_p10"), number("images_per_second_p90"));
  std::printf("  FLOP/s        %.1f G, %.0f %% of the %.1f G that one large matrix product a rank reaches\n",
              1e-9 * number("flops_per_second"), 100 * number("share_of_gemm"), 1e-9 * number("gemm_flops_per_second"));
  if (!on_gpu) print_host_memory(result);
  std::printf("  section       s a step   waiting for ranks\n");
  for (const auto& [name, times] : result.at("sections").items()) {
    std::printf("    %-10s %9.4f %11.4f\n", name.c_str(), times.at("seconds").get<double>(),
                times.at("waiting_seconds").get<double>());
  }
  if (!on_gpu) print_work(result.at("work"));
}

void run(const World& world, const Arguments& arguments) {
  Config config;
  const double load_before = load_average();
  check_bench_output(world, arguments.output);
  world.agree([&] {
    config = bench_config(arguments.config, arguments.overrides);
    config.data.input = arguments.data.empty() ? DataInput::synthetic : DataInput::images;
    if (!arguments.data.empty()) use_one_data_set(config, arguments.data);
    config.train.global_batch = arguments.batch * world.size();
  });
  StepBenchmarkOptions options = arguments.steps;
  options.gpu = bind_device(world, arguments.device);
  const StepBenchmark result = benchmark_step(world, config, options);
  nlohmann::ordered_json origin = provenance(world, options.gpu ? &*options.gpu : nullptr, result.threads);
  world.on_root([&] {
    nlohmann::ordered_json json = to_json(result, config, world.size(), options.warm_up);
    origin["settings_digest"] = settings_digest(config);
    origin["config_digest"] = config_digest(config);
    origin["load_average"] = {{"before", load_before}, {"after", load_average()}};
    json["provenance"] = std::move(origin);
    print(json, result.on_gpu);
    give_bench_output(arguments.output, json);
    return std::string();
  });
}

}  // namespace

Command make_bench_step_command(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = bench.add_subcommand("step", "Training steps: their speed, and where the time goes");
  add_bench_config(*app, "Configuration", arguments->config, arguments->overrides);
  app->add_option("--data", arguments->data, "Folder of a packed data set to train on, instead of made-up numbers");
  add_device_option(*app, arguments->device);
  app->add_option("--batch", arguments->batch, "Images of a step on each rank, instead of train.global_batch")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app->add_option("--steps", arguments->steps.steps, "Steps that count")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app->add_option("--warm-up", arguments->steps.warm_up, "Steps before them that do not")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  add_bench_output(*app, arguments->output);
  app->footer(
      "Under mpirun all ranks take the steps together.\n"
      "Example:\n"
      "  msn bench step configs/vit_s16.toml --set runtime.threads=2\n"
      "  msn bench step configs/vit_l16.toml --set train.precision=bf16 --device cuda --batch 64\n"
      "  mpirun -n 2 msn bench step configs/vit_s16.toml --set runtime.threads=1 --batch 4");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
