// SPDX-License-Identifier: Apache-2.0
#include "planning/estimate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/error.hpp"
#include "data/sampler.hpp"
#include "model/cost.hpp"
#include "planning/by_measurement.hpp"
#include "train/setup.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

/// Which share of a GPU's peak matrix products of a model reach: small ones do not fill it. Between what is measured on
/// H100 and H200 for 384 and 1,024 channels.
double product_share(const Config& config, const Assumptions& assumptions) {
  if (assumptions.product_share) return assumptions.product_share->value;
  const double width = vit_shape(config.model).width;
  return std::clamp(0.45 + 0.15 * std::log2(width / 384) / std::log2(1024.0 / 384), 0.3, 0.65);
}

double parameters_of(const RunPlan& plan) {
  return static_cast<double>(plan.parameters());
}

/// Share of a step's operations that the backward pass has.
double backward_share(const Config& config, const RunPlan& plan) {
  const auto target = static_cast<double>(plan.target_tokens);
  const double all = token_passes(config, plan);
  return 2.0 / 3.0 * (all - target) / all;
}

// ---- computing ----

StepParts on_gpu(const Config& config, const RunPlan& plan, const GpuFacts& gpu, const Assumptions& assumptions) {
  const double peak = gpu.peak(config.train.precision);
  if (peak == 0) {
    throw config_error("a " + std::string(gpu.name) + " has no " + std::string(name_of(config.train.precision)) +
                           " that a plan could count on",
                       "train.precision", "take fp32, tf32 or bf16, as the GPU has them");
  }
  const double bandwidth = gpu.memory_bandwidth * assumptions.memory_share.value;
  StepParts parts;
  parts.products =
      plan.image_flops_as_run * static_cast<double>(plan.local_batch) / (peak * product_share(config, assumptions));
  // A forward pass moves a third of what a whole one does.
  parts.between = work_of(config, plan).values / 3 * assumptions.values_between.value *
                  static_cast<double>(value_bytes(config.train.precision)) / bandwidth;
  // Reads gradients twice and four more values of each parameter, writes four; bfloat16 copies of both networks.
  const double bytes = 40 + (config.train.precision == Precision::bf16 ? 4 : 0);
  parts.update = bytes * parameters_of(plan) / bandwidth;
  return parts;
}

// ---- messages ----

/// Seconds of a sum of `bytes` over all ranks, measured between as many ranks; 0 if none was.
double measured_sum(double bytes, int ranks, const Assumptions& assumptions) {
  const Assumptions::MeasuredSum* below = nullptr;
  for (const auto& sum : assumptions.sums) {
    if (sum.ranks != ranks) continue;
    if (sum.bytes >= bytes) {
      if (below == nullptr) return sum.seconds;
      const double share = (bytes - below->bytes) / (sum.bytes - below->bytes);
      return below->seconds + share * (sum.seconds - below->seconds);
    }
    below = &sum;
  }
  return below == nullptr ? 0 : below->seconds * bytes / below->bytes;
}

struct Network {
  double bandwidth = 0;  ///< Bytes/s of a ring at its narrowest place.
  double latency = 0;    ///< Seconds of a small collective.
};

Network network_of(const PlannedMachine& machine, const Assumptions& assumptions) {
  Network network;
  if (machine.gpu != nullptr) network.bandwidth = machine.gpu->peer_bandwidth * assumptions.peer_share.value;
  network.latency = assumptions.peer_latency.value;
  if (machine.nodes() > 1) {
    const double between = machine.link.bandwidth * assumptions.link_share.value;
    network.bandwidth = network.bandwidth == 0 ? between : std::min(network.bandwidth, between);
    network.latency += assumptions.link_latency.value * std::ceil(std::log2(machine.nodes()));
  }
  return network;
}

/// A ring's sum.
double sum_seconds(double bytes, const PlannedMachine& machine, const Assumptions& assumptions) {
  if (machine.ranks == 1) return 0;
  const double measured = measured_sum(bytes, machine.ranks, assumptions);
  if (measured > 0) return measured;
  const Network network = network_of(machine, assumptions);
  if (network.bandwidth == 0) return 0;  // Processors of one host: it is in their measured step.
  return network.latency + 2.0 * (machine.ranks - 1) / machine.ranks * bytes / network.bandwidth;
}

/// The collectives of a step but for the gradients (docs/design.md, section 1).
double small_seconds(const Config& config, const PlannedMachine& machine, const Assumptions& assumptions) {
  if (machine.ranks == 1) return 0;
  const VitShape shape = vit_shape(config.model);
  const double hidden = static_cast<double>(shape.head_hidden) * 8;
  const double prototypes = config.model.prototypes * 8.0;
  const auto gather = [&](double bytes) {
    const double measured = measured_sum(bytes, machine.ranks, assumptions);
    if (measured > 0) return measured;
    const Network network = network_of(machine, assumptions);
    return network.bandwidth == 0 ? 0 : network.latency + (machine.ranks - 1) * bytes / network.bandwidth;
  };
  return 2 * gather(3 * 2 * hidden) + 2 * sum_seconds(4 * hidden, machine, assumptions) +
         (1 + config.loss.sinkhorn) * sum_seconds(prototypes, machine, assumptions) + gather(prototypes);
}

void add_messages(const Config& config, const PlannedMachine& machine, const Assumptions& assumptions,
                  Estimate& result) {
  const auto each = static_cast<double>(
      config.train.reduce_precision == ReducePrecision::bf16 ? 2 : parameter_bytes(config.train.precision));
  result.gradient_bytes = each * parameters_of(result.plan);
  result.gradient_seconds = sum_seconds(result.gradient_bytes, machine, assumptions);
  const double hidden_by =
      assumptions.overlap.value * backward_share(config, result.plan) * (result.parts.products + result.parts.between);
  // The last bucket is sent when nothing is left to compute.
  const double last =
      sum_seconds(std::min(result.gradient_bytes, config.runtime.bucket_mib * 1048576.0), machine, assumptions);
  result.parts.gradients =
      machine.ranks == 1 ? 0 : std::max(result.gradient_seconds - hidden_by, std::min(last, result.gradient_seconds));
  result.parts.small = small_seconds(config, machine, assumptions);
}

// ---- images ----

void add_input(const Config& config, const PlannedMachine& machine, const Assumptions& assumptions, Estimate& result) {
  const bool decodes_only = machine.gpu != nullptr && config.runtime.views_on != ViewsOn::host;
  const double rate = (decodes_only ? assumptions.decoded_per_core : assumptions.images_per_core).value;
  const auto images = static_cast<double>(result.plan.local_batch);
  const double step = result.parts.total();
  if (config.data.input == DataInput::synthetic) return;
  result.input_cores = images / step / rate;
  if (machine.cores_per_rank > 0) result.parts.input = std::max(0.0, images / rate / machine.cores_per_rank - step);
  result.storage = images * machine.ranks / result.parts.total() * assumptions.image_bytes.value;
}

void add_memory(const Config& config, const PlannedMachine& machine, Estimate& result) {
  result.memory = result.plan.memory.device_bytes();
  result.bench_memory = machine.gpu == nullptr ? memory_of_steps(result.plan.memory) : result.memory;
  if (machine.gpu == nullptr) return;
  result.memory_there = machine.gpu->memory_bytes;
  result.largest_batch =
      largest_local_batch(config, {machine.ranks, result.plan.local_batch, true}, machine.gpu->memory_bytes);
}

Config with_usable_batch(const Config& wanted, const PlannedMachine& machine, std::uint64_t images, Estimate& result) {
  Config config = wanted;
  const int batch = nearest_batch(config.train.global_batch, machine.ranks, config.train.micro_batch);
  if (batch != config.train.global_batch) {
    result.notes.push_back(
        "global batch " + std::to_string(batch) + " instead of " + std::to_string(config.train.global_batch) +
        ", which " + std::to_string(machine.ranks) + " ranks cannot share evenly" +
        (config.train.micro_batch > 0 ? " in micro-batches of " + std::to_string(config.train.micro_batch) : ""));
    config.train.global_batch = batch;
  }
  if (static_cast<std::uint64_t>(batch) > images) {
    throw config_error(
        "a step of " + std::to_string(batch) + " images is more than the " + std::to_string(images) + " there are",
        "train.global_batch", "plan for fewer ranks or more images");
  }
  return config;
}

}  // namespace

double token_passes(const Config& config, const RunPlan& plan) {
  const auto anchors =
      static_cast<double>(config.views.random * plan.random_tokens + config.views.focal * plan.focal_tokens);
  return static_cast<double>(plan.target_tokens) + 3 * anchors;
}

int nearest_batch(int wanted, int ranks, int micro_batch) {
  const auto [below, above] = batch_neighbours(wanted, ranks * std::max(1, micro_batch));
  return below > 0 && wanted - below < above - wanted ? below : above;
}

Estimate estimate(const Config& wanted, const PlannedMachine& machine, const Assumptions& assumptions,
                  std::uint64_t images) {
  Estimate result;
  const Config config = with_usable_batch(wanted, machine, images, result);
  result.config = config;
  result.plan = plan_run(config, machine.ranks, images, machine.gpu != nullptr);
  add_memory(config, machine, result);
  const auto measured = step_by_measurement(config, result.plan, machine, assumptions, images);
  if (measured) {
    result.parts = measured->parts;
    result.notes.insert(result.notes.end(), measured->notes.begin(), measured->notes.end());
    // What libraries of a processor take beside the arena is as measured.
    result.memory += measured->library_memory;
    result.bench_memory += measured->library_memory;
  } else if (machine.gpu != nullptr) {
    result.parts = on_gpu(config, result.plan, *machine.gpu, assumptions);
  } else {
    throw usage_error("processors have no data sheet that would do", "--gpu cpu",
                      "measure one: msn bench step CONFIG --json > step.json, then --calibrate step.json");
  }
  add_messages(config, machine, assumptions, result);
  if (measured && measured->has_waits) {  // Among as many ranks, all of them together.
    result.parts.gradients = 0;
    result.parts.small = measured->parts.small;
  }
  add_input(config, machine, assumptions, result);
  if (machine.gpu != nullptr && machine.gpu->peak(config.train.precision) > 0) {
    result.model_flops_share = result.plan.image_flops * static_cast<double>(result.plan.local_batch) /
                               result.parts.total() / machine.gpu->peak(config.train.precision);
  }
  return result;
}

double plain_memory(const Config& config, const RunPlan& plan) {
  const VitShape shape = vit_shape(config.model);
  const auto bytes = static_cast<double>(value_bytes(config.train.precision));
  const auto views =
      std::array{std::pair{config.views.random, plan.random_tokens}, std::pair{config.views.focal, plan.focal_tokens}};
  double kept = 0;
  for (const auto& [count, tokens] : views) {
    const auto t = static_cast<double>(tokens);
    // Sixteen rows of the model's width for each token and block; scores before and after the softmax.
    kept += count * static_cast<double>(shape.depth) *
            (16 * t * static_cast<double>(shape.width) + 2 * static_cast<double>(shape.heads) * t * t) * bytes;
  }
  const double parameters = parameters_of(plan);
  // Weights, their averages, gradients and the buckets they are summed in, two moments.
  const double state = parameters * 4 * 6;
  const MemoryTable& table = plan.memory.step;
  return kept * static_cast<double>(plan.local_batch) + state + table.of(MemoryUse::libraries);
}

}  // namespace msn
