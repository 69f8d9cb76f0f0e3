// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_gemm.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/machine_use.hpp"
#include "comm/world.hpp"
#include "commands/bench_config.hpp"
#include "commands/bench_output.hpp"
#include "config/config.hpp"
#include "kernels/instruction_set.hpp"
#include "model/gemm.hpp"
#include "train/gemm_benchmark.hpp"

namespace msn {

namespace {

struct Arguments {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  int batch = 8;
  int repeats = 7;
  std::filesystem::path write;
  BenchOutput output;
};

nlohmann::ordered_json to_json(const GemmBenchmark& result, const Config& config, int ranks) {
  nlohmann::ordered_json products = nlohmann::ordered_json::array();
  for (const GemmRate& rate : result.rates) {
    products.push_back({{"layer", rate.layer},
                        {"type", rate.type},
                        {"product", rate.kind},
                        {"rows", rate.rows},
                        {"in", rate.in},
                        {"out", rate.out},
                        {"mkl_flops_per_second", rate.flops_per_second[0]},
                        {"onednn_flops_per_second", rate.flops_per_second[1]}});
  }
  nlohmann::ordered_json fastest = nlohmann::ordered_json::object();
  for (std::size_t kind = 0; kind < kGemmKinds; ++kind)
    fastest[std::string(name_of(static_cast<GemmKind>(kind)))] = name_of(result.tuned.table.backends[kind]);
  return {{"command", "bench gemm"},
          {"processor", kernels::processor_name()},
          {"ranks", ranks},
          {"threads", result.threads},
          {"global_batch", config.train.global_batch},
          {"products", products},
          {"fastest", fastest},
          {"default", to_text(supported(default_gemm_table(kernels::processor_vendor())))}};
}

void print(const GemmBenchmark& result, int ranks) {
  const double load = load_average();
  std::printf("%s, %d rank%s of %d thread%s, load average %.2f; GFLOP/s of a rank\n\n",
              kernels::processor_name().c_str(), ranks, ranks == 1 ? "" : "s", result.threads,
              result.threads == 1 ? "" : "s", load);
  std::printf("  layer             rows     in    out  type  product               mkl    onednn\n");
  for (const GemmRate& rate : result.rates) {
    std::printf("  %-13s %8lld %6lld %6lld  %-4s  %-15s %9.1f %9.1f\n", rate.layer.c_str(),
                static_cast<long long>(rate.rows), static_cast<long long>(rate.in), static_cast<long long>(rate.out),
                rate.type.c_str(), rate.kind.c_str(), 1e-9 * rate.flops_per_second[0], 1e-9 * rate.flops_per_second[1]);
  }
  std::printf("\nfastest for a step: %s\n", to_text(result.tuned.table).c_str());
  std::printf("the default here:   %s\n", to_text(supported(default_gemm_table(kernels::processor_vendor()))).c_str());
}

/// Before anything is measured for nothing.
void check_writable(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (::access(folder.c_str(), W_OK) != 0)
    throw system_error("cannot write there", file.string(), errno,
                       "give --write a file in a folder that you may write to");
}

void run(const World& world, const Arguments& arguments) {
  Config config;
  world.agree([&] {
    config = bench_config(arguments.config, arguments.overrides);
    config.train.global_batch = arguments.batch * world.size();
    if (world.rank() == 0 && !arguments.write.empty()) check_writable(arguments.write);
  });
  check_bench_output(world, arguments.output);
  const GemmBenchmark result = benchmark_gemm(world, config, arguments.repeats);
  world.on_root([&] {
    print(result, world.size());
    if (!arguments.write.empty()) {
      write_durably(arguments.write, tuned_gemm_text(result.tuned));
      std::printf("written to %s; a run uses it with runtime.gemm = \"%s\"\n", arguments.write.c_str(),
                  arguments.write.c_str());
    }
    give_bench_output(arguments.output, to_json(result, config, world.size()));
    return std::string();
  });
}

}  // namespace

Command make_bench_gemm_command(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = bench.add_subcommand("gemm", "Matrix products of a model by each back end, for runtime.gemm");
  add_bench_config(*app, "Configuration", arguments->config, arguments->overrides);
  app->add_option("--batch", arguments->batch, "Images of a step on each rank, instead of train.global_batch")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app->add_option("--repeats", arguments->repeats, "Time each product by each back end this often, in turn")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app->add_option("--write", arguments->write, "Write the fastest back ends to this file, for runtime.gemm");
  add_bench_output(*app, arguments->output);
  app->footer(
      "Under mpirun all ranks compute together, as in a run.\n"
      "Example:\n"
      "  msn bench gemm configs/vit_s16.toml --write gemm.json\n"
      "  msn train configs/vit_s16.toml --run run --set runtime.gemm=gemm.json");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
