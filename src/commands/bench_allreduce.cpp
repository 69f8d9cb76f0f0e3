// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_allreduce.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_size.hpp"
#include "base/error.hpp"
#include "base/machine_use.hpp"
#include "comm/allreduce_benchmark.hpp"
#include "comm/devices.hpp"
#include "comm/world.hpp"
#include "commands/bench_output.hpp"
#include "commands/provenance.hpp"
#include "train/device_allreduce.hpp"

namespace msn {

namespace {

enum class Which { all, shared, messages };

struct Arguments {
  std::string least = "1KiB";
  std::string most = "1GiB";
  int repeats = 5;
  Which which = Which::all;
  std::string device = "cpu";
  BenchOutput output;
};

AllreduceBenchmarkOptions options_of(const World& world, const Arguments& arguments) {
  AllreduceBenchmarkOptions options;
  options.least_bytes = parse_size(arguments.least);
  options.most_bytes = parse_size(arguments.most);
  options.repeats = arguments.repeats;
  if (options.least_bytes < sizeof(float) || options.least_bytes > options.most_bytes ||
      options.most_bytes > std::uint64_t{4} << 30) {
    throw usage_error("the sizes must be from 4 B to 4 GiB, the least first",
                      "--min " + arguments.least + " --max " + arguments.most);
  }
  if (arguments.device == "cuda" && arguments.which != Which::all) {
    throw usage_error("between GPUs there is one way to sum, NCCL", "--path with --device cuda", "leave --path out");
  }
  if (world.size() == 1) {
    throw usage_error("one rank has nothing to sum", "msn bench allreduce", "start it with mpirun -n 2 or more");
  }
  const bool one_host = world.local_size() == world.size();
  if (arguments.which == Which::shared && !one_host) {
    throw usage_error("ranks of several hosts cannot share memory", "--path shared", "use --path messages");
  }
  if (arguments.which != Which::messages && one_host) options.paths.push_back(ExchangePath::shared_memory);
  if (arguments.which != Which::shared) options.paths.push_back(ExchangePath::messages);
  return options;
}

std::string size_text(std::uint64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && bytes % 1024 == 0 && unit < 3; ++unit)
    bytes /= 1024;
  return std::to_string(bytes) + " " + units[unit];
}

void print(const AllreduceSize& size, int ranks) {
  for (const AllreduceRate& rate : size.rates) {
    std::printf("  %8s  %-14s %12.3f %12.3f %12.3f\n", size_text(size.bytes).c_str(), rate.way.c_str(),
                1e3 * rate.seconds, 1e-9 * algorithm_bandwidth(size.bytes, rate.seconds),
                1e-9 * bus_bandwidth(size.bytes, rate.seconds, ranks));
  }
  std::fflush(stdout);
}

nlohmann::ordered_json to_json(const std::vector<AllreduceSize>& sizes, int ranks) {
  auto rows = nlohmann::ordered_json::array();
  for (const AllreduceSize& size : sizes) {
    for (const AllreduceRate& rate : size.rates) {
      rows.push_back({{"bytes", size.bytes},
                      {"way", rate.way},
                      {"seconds", rate.seconds},
                      {"algorithm_bandwidth", algorithm_bandwidth(size.bytes, rate.seconds)},
                      {"bus_bandwidth", bus_bandwidth(size.bytes, rate.seconds, ranks)}});
    }
  }
  return {{"command", "bench allreduce"}, {"ranks", ranks}, {"rates", rows}};
}

void run(const World& world, const Arguments& arguments) {
  AllreduceBenchmarkOptions options;
  world.agree([&] { options = options_of(world, arguments); });
  check_bench_output(world, arguments.output);
  std::optional<Gpu> gpu;
  if (arguments.device == "cuda") gpu = bind_gpu(world, visible_gpus());
  const bool speaks = world.rank() == 0;
  if (speaks) {
    const double load = load_average();
    std::printf("%d ranks, %d on the first host, float32, median of %d, load average %.2f\n\n", world.size(),
                world.local_size(), options.repeats, load);
    std::printf("  %8s  %-14s %12s %12s %12s\n", "a rank", "", "ms", "GB/s", "bus GB/s");
  }
  const auto print_each = [&](const AllreduceSize& size) {
    if (speaks) print(size, world.size());
  };
  const auto sizes =
      gpu ? benchmark_device_allreduce(world, options, print_each) : benchmark_allreduce(world, options, print_each);
  const nlohmann::ordered_json origin = provenance(world, gpu ? &*gpu : nullptr, 0);
  world.on_root([&] {
    nlohmann::ordered_json json = to_json(sizes, world.size());
    json["provenance"] = origin;
    give_bench_output(arguments.output, json);
    return std::string();
  });
}

}  // namespace

Command make_bench_allreduce_command(CLI::App& bench) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = bench.add_subcommand("allreduce", "Sums over ranks: ours by each path, and MPI's own; or NCCL's");
  app->add_option("--min", arguments->least, "Smallest message of a rank")->capture_default_str();
  app->add_option("--max", arguments->most, "Largest message of a rank; sizes go up by a factor of 4")
      ->capture_default_str();
  app->add_option("--repeats", arguments->repeats, "Sums of each size, of which the median counts")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option(
         "--path", arguments->which,
         "all (default): each that these ranks can use; shared: memory of one host; messages: as between hosts")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Which>{{"all", Which::all}, {"shared", Which::shared}, {"messages", Which::messages}}))
      ->option_text("all|shared|messages");
  app->add_option("--device", arguments->device, "cpu, or cuda: between the ranks' GPUs, by NCCL")
      ->check(CLI::IsMember({"cpu", "cuda"}))
      ->capture_default_str();
  add_bench_output(*app, arguments->output);
  app->footer(
      "GB/s: bytes of a rank over time. bus GB/s: 2 (ranks - 1) / ranks times that, comparable between numbers of "
      "ranks.\n"
      "Example:\n"
      "  mpirun -n 2 msn bench allreduce --max 256MiB\n"
      "  mpirun -n 8 msn bench allreduce --device cuda");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
