// SPDX-License-Identifier: Apache-2.0
#include "commands/plan.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "comm/world.hpp"
#include "commands/image_count.hpp"
#include "planning/estimate.hpp"
#include "train/setup.hpp"

namespace msn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::filesystem::path config;
  std::vector<std::string> overrides;
  int gpus = 0;
  std::string gpu;
  int gpus_per_node = 8;
  std::string link = "400g";
  std::optional<std::uint64_t> images;
  int cores = 0;
  std::optional<double> efficiency;
  std::vector<std::filesystem::path> calibrate;
  bool sweep = false;
  bool json = false;
};

constexpr double kGood = 0.9;  // Efficiency below which more GPUs are poorly used.

PlannedMachine machine_of(const Arguments& arguments, int gpus) {
  PlannedMachine machine;
  machine.gpu = arguments.gpu == "cpu" ? nullptr : &find_gpu(arguments.gpu);
  machine.ranks = gpus;
  machine.ranks_per_node = std::min(arguments.gpus_per_node, gpus);
  machine.link = find_link(arguments.link);
  machine.cores_per_rank = arguments.cores;
  return machine;
}

Assumptions assumptions_of(const Arguments& arguments) {
  Assumptions assumptions;
  for (const auto& file : arguments.calibrate)
    calibrate(assumptions, file);
  if (arguments.efficiency) assumptions.product_share = Quantity{*arguments.efficiency, "given"};
  return assumptions;
}

// ---- one plan ----

void print_memory(const Estimate& result, const PlannedMachine& machine, std::uint64_t images) {
  std::printf("memory            %s a rank", size_text(result.memory).c_str());
  if (result.memory_there > 0)
    std::printf(" of %s%s", size_text(result.memory_there).c_str(),
                result.memory > result.memory_there ? ": DOES NOT FIT" : "");
  std::printf("\n");
  if (machine.gpu == nullptr)
    std::printf("                    %s by steps alone, as msn bench step measures it\n",
                size_text(result.bench_memory).c_str());
  for (const std::string& line : plan_lines(result.plan.memory))
    std::printf("                    %s\n", line.c_str());
  Config other = result.config;
  other.train.recompute = !other.train.recompute;
  const RunPlan plan = plan_run(other, machine.ranks, images, machine.gpu != nullptr);
  std::printf("                  %s with train.recompute = %s; %s by a plain PyTorch program\n",
              size_text(plan.memory.device_bytes()).c_str(), other.train.recompute ? "true" : "false",
              size_text(plain_memory(result.config, result.plan)).c_str());
  if (result.memory_there > 0) {
    std::printf("                  at most %lld images a rank fit, a global batch of %lld\n",
                static_cast<long long>(result.largest_batch),
                static_cast<long long>(result.largest_batch * machine.ranks));
  }
}

void print_times(const Estimate& result, const PlannedMachine& machine) {
  const StepParts& parts = result.parts;
  const double step = parts.total();
  const auto row = [&](const char* name, double seconds) {
    std::printf("                    %-42s %10.2f ms %5.1f %%\n", name, 1e3 * seconds, 100 * seconds / step);
  };
  std::printf("step              %.2f ms\n", 1e3 * step);
  row("matrix products and attention", parts.products);
  row("between them", parts.between);
  row("update", parts.update);
  row("sum of gradients, not hidden", parts.gradients);
  row(machine.gpu == nullptr ? "waiting for other ranks" : "small collectives", parts.small);
  row("waiting for images", parts.input);
  std::printf("gradients         %s, summed in %.2f ms\n", size_text(result.gradient_bytes).c_str(),
              1e3 * result.gradient_seconds);
  std::printf("speed             %.1f images/s", result.images_per_second());
  if (result.model_flops_share > 0) std::printf(", %.1f %% of the GPUs' peak (MFU)", 100 * result.model_flops_share);
  std::printf("\nepoch             %.2f h\n", result.epoch_seconds() / 3600);
  std::printf("run               %.1f h for %d epochs, %.0f %s hours\n", result.run_seconds() / 3600,
              result.config.train.epochs, result.run_seconds() / 3600 * machine.ranks,
              machine.gpu != nullptr ? "GPU" : "rank");
  if (result.config.data.input == DataInput::synthetic) return;
  std::printf("input             %.1f cores a rank, so that none waits; %.0f MB/s of storage in all\n",
              result.input_cores, 1e-6 * result.storage);
}

void print_grounds(const Estimate& result, const Assumptions& assumptions, const PlannedMachine& machine) {
  for (const std::string& note : result.notes)
    std::printf("note              %s\n", note.c_str());
  const auto row = [](const char* name, const Quantity& quantity, double factor, const char* unit) {
    std::printf("  %-50s %10.4g %-9s %s\n", name, factor * quantity.value, unit, quantity.source.c_str());
  };
  std::printf("rests on\n");
  if (machine.gpu != nullptr) {
    std::printf("  %-50s %s\n", "peak, memory, bandwidths", std::string(machine.gpu->source).c_str());
    if (assumptions.product_share)
      row("products: share of the peak", *assumptions.product_share, 100, "%");
    else
      std::printf("  %-50s %10s %-9s assumed\n", "products: share of the peak", "30-65", "%");
    row("between products: values a token, block, channel", assumptions.values_between, 1, "");
    row("memory bandwidth: share", assumptions.memory_share, 100, "%");
    row("bandwidth within a node: share", assumptions.peer_share, 100, "%");
    row("bandwidth between nodes: share", assumptions.link_share, 100, "%");
  }
  row("a small collective", assumptions.peer_latency, 1e6, "us");
  row("with each doubling of the nodes", assumptions.link_latency, 1e6, "us");
  row("share of the backward pass that hides sums", assumptions.overlap, 100, "%");
  row("decoded on a core", assumptions.decoded_per_core, 1, "images/s");
  row("decoded and made into views on a core", assumptions.images_per_core, 1, "images/s");
  row("an image as packed", assumptions.image_bytes, 1e-3, "kB");
  for (const auto& step : assumptions.steps)
    std::printf("  %-50s %10.4g %-9s %s\n", "measured step", 1e3 * step.seconds, "ms", step.source.c_str());
  if (!assumptions.sums.empty()) {
    std::printf("  %-50s %10zu %-9s %s\n", "measured sums over ranks", assumptions.sums.size(), "sizes",
                assumptions.sums.front().source.c_str());
  }
}

Json parts_json(const StepParts& parts) {
  return {{"products", parts.products},   {"between", parts.between},         {"update", parts.update},
          {"gradients", parts.gradients}, {"small_collectives", parts.small}, {"input", parts.input}};
}

Json to_json(const Estimate& result, const PlannedMachine& machine) {
  return {{"ranks", machine.ranks},
          {"nodes", machine.nodes()},
          {"global_batch", result.config.train.global_batch},
          {"local_batch", result.plan.local_batch},
          {"step_seconds", result.parts.total()},
          {"parts", parts_json(result.parts)},
          {"images_per_second", result.images_per_second()},
          {"epoch_seconds", result.epoch_seconds()},
          {"run_seconds", result.run_seconds()},
          {"model_flops_share", result.model_flops_share},
          {"flops_per_image", result.plan.image_flops},
          {"memory_bytes", result.memory},
          {"bench_memory_bytes", result.bench_memory},
          {"memory_there_bytes", result.memory_there},
          {"plain_memory_bytes", plain_memory(result.config, result.plan)},
          {"largest_local_batch", result.largest_batch},
          {"gradient_bytes", result.gradient_bytes},
          {"gradient_seconds", result.gradient_seconds},
          {"input_cores", result.input_cores},
          {"storage_bytes_per_second", result.storage},
          {"notes", result.notes}};
}

// ---- more and more GPUs ----

struct Scaling {
  Json rows = Json::array();
  int good_until = 0;  ///< The most GPUs whose efficiency is at least kGood.
};

/// `config_of(gpus)`: what is trained on so many. Efficiency is speed for each GPU, against that of one and of one
/// node.
template <typename ConfigOf>
Scaling sweep(const Arguments& arguments, const Assumptions& assumptions, std::uint64_t images,
              const ConfigOf& config_of) {
  std::vector<int> counts;
  for (int gpus = 1; gpus < arguments.gpus; gpus *= 2)
    counts.push_back(gpus);
  counts.push_back(arguments.gpus);
  Scaling scaling;
  double of_one = 0;
  double of_node = 0;
  std::printf(
      "    GPUs  nodes  images a GPU    step ms    images/s  of one GPU  of one node   epoch h  not hidden    "
      "memory\n");
  for (const int gpus : counts) {
    const PlannedMachine machine = machine_of(arguments, gpus);
    const Estimate result = estimate(config_of(gpus), machine, assumptions, images);
    const double each = result.images_per_second() / gpus;
    if (of_one == 0) of_one = each;
    if (gpus <= arguments.gpus_per_node) of_node = each;
    const double efficiency = each / of_node;
    if (efficiency >= kGood) scaling.good_until = gpus;
    const StepParts& parts = result.parts;
    std::printf("  %6d %6d %13lld %10.2f %11.1f %9.1f %% %10.1f %% %9.3f %9.1f %%  %s%s\n", gpus, machine.nodes(),
                static_cast<long long>(result.plan.local_batch), 1e3 * parts.total(), result.images_per_second(),
                100 * each / of_one, 100 * efficiency, result.epoch_seconds() / 3600,
                100 * (parts.gradients + parts.small) / parts.total(), size_text(result.memory).c_str(),
                result.memory_there > 0 && result.memory > result.memory_there ? " does not fit" : "");
    Json row = to_json(result, machine);
    row["efficiency_of_one"] = each / of_one;
    row["efficiency_of_node"] = efficiency;
    scaling.rows.push_back(row);
  }
  if (scaling.good_until < arguments.gpus) {
    std::printf("  falls below 90 %% of one node's speed for each GPU beyond %d\n\n", scaling.good_until);
  } else {
    std::printf("  stays above 90 %% of one node's speed for each GPU\n\n");
  }
  return scaling;
}

void run(const World& world, const Arguments& arguments) {
  world.agree([&] {
    if (world.size() > 1) throw usage_error("a plan needs one rank", "msn plan", "start it without mpirun");
  });
  const Config config = load_config(arguments.config, arguments.overrides);
  const Assumptions assumptions = assumptions_of(arguments);
  const PlannedMachine machine = machine_of(arguments, arguments.gpus);
  const ImageCount count = count_images(config, arguments.images);
  const Estimate result = estimate(config, machine, assumptions, count.images);
  const bool gpu = machine.gpu != nullptr;
  std::printf("plan of %s on %d %s, %d node%s of %d%s%s, %s; nothing was run\n", arguments.config.c_str(),
              machine.ranks, gpu ? std::string(machine.gpu->name).c_str() : "ranks on processors", machine.nodes(),
              machine.nodes() == 1 ? "" : "s", machine.ranks_per_node, machine.nodes() > 1 ? " by " : "",
              machine.nodes() > 1 ? std::string(machine.link.name).c_str() : "",
              std::string(name_of(config.train.precision)).c_str());
  std::printf("batch             %d images, %lld of each rank; %llu images an epoch, %s\n",
              result.config.train.global_batch, static_cast<long long>(result.plan.local_batch),
              static_cast<unsigned long long>(count.images), count.source.c_str());
  std::printf("operations        %.1f GFLOP an image; %.1f as computed\n", 1e-9 * result.plan.image_flops,
              1e-9 * result.plan.image_flops_as_run);
  print_memory(result, machine, count.images);
  print_times(result, machine);
  print_grounds(result, assumptions, machine);
  Json line = {{"command", "plan"},
               {"gpu", arguments.gpu},
               {"link", std::string(machine.link.name)},
               {"precision", name_of(config.train.precision)}};
  line.update(to_json(result, machine));
  if (arguments.sweep) {
    std::printf("\nstrong scaling: the global batch as it is\n");
    const Scaling strong = sweep(arguments, assumptions, count.images, [&](int) { return config; });
    std::printf("weak scaling: %lld images of each rank\n", static_cast<long long>(result.plan.local_batch));
    const Scaling weak = sweep(arguments, assumptions, count.images, [&](int gpus) {
      Config each = config;
      each.train.global_batch = static_cast<int>(result.plan.local_batch) * gpus;
      return each;
    });
    line["strong"] = {{"rows", strong.rows}, {"good_until", strong.good_until}};
    line["weak"] = {{"rows", weak.rows}, {"good_until", weak.good_until}};
  }
  if (arguments.json) std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

}  // namespace

Command make_plan_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("plan", "Reckon what a run would take on other machines: memory, time, speed");
  app->add_option("config", arguments->config, "Configuration (TOML)")->required()->option_text("CONFIG.toml");
  app->add_option("--set", arguments->overrides, "Override a key: section.key=value; may be given again")
      ->expected(1)
      ->take_all();
  app->add_option("--gpus", arguments->gpus, "GPUs, a rank for each; or ranks, with --gpu cpu")
      ->required()
      ->check(CLI::Range(1, 1 << 20));
  app->add_option("--gpu", arguments->gpu, "Kind of GPU, or cpu, which needs --calibrate")
      ->required()
      ->option_text("cpu|" + gpu_names("|"));
  app->add_option("--gpus-per-node", arguments->gpus_per_node, "Or ranks of a node")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--link", arguments->link, "Network of a node, all adapters together")
      ->capture_default_str()
      ->option_text("GB/s|" + link_names("|"));
  app->add_option("--images", arguments->images, "Images of an epoch, instead of the data set's")
      ->check(CLI::PositiveNumber);
  app->add_option("--cores-per-gpu", arguments->cores, "Cores that read images for a rank; 0: as many as it takes")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option("--efficiency", arguments->efficiency, "Share of the GPU's peak that matrix products reach")
      ->check(CLI::Range(0.01, 1.0));
  app->add_option(
         "--calibrate", arguments->calibrate,
         "What msn bench step, allreduce or input printed with --json, in place of assumptions; may be given again")
      ->expected(1)
      ->take_all();
  app->add_flag("--sweep", arguments->sweep, "Also for 1, 2, 4, ... GPUs up to --gpus: strong and weak scaling");
  app->add_flag("--json", arguments->json, "Print one machine-readable line last");
  app->footer(
      "Example:\n"
      "  msn plan configs/vit_l7.toml --gpus 128 --gpu h100 --link 8x400g --set train.precision=bf16 --sweep\n"
      "  msn bench step configs/vit_s16.toml --json > step.json; msn plan configs/vit_s16.toml --gpus 2 --gpu cpu "
      "--calibrate "
      "step.json");
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
