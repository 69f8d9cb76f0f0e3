// SPDX-License-Identifier: Apache-2.0
#include "train/gemm_benchmark.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/quantile.hpp"
#include "base/seconds_since.hpp"
#include "kernels/instruction_set.hpp"
#include "model/gemm.hpp"
#include "train/plan.hpp"
#include "train/state.hpp"
#include "train/threads.hpp"

namespace msn {

namespace {

constexpr std::array kBackends{GemmBackend::mkl, GemmBackend::onednn};
constexpr double kLeastSeconds = 2e-3;  ///< A shorter product is run several times, so that the clock can tell.

constexpr double kClearlyFaster = 0.97;  ///< Of the default's time; more is noise and changes nothing.

using Seconds = std::array<double, kBackends.size()>;
using Run = std::function<void(GemmBackend)>;

/// A product in which the back ends may differ.
struct Case {
  const char* kind;
  GemmKind decides;  ///< The entry of the table that counts it.
  Run run;
};

double time_of(const Run& run, GemmBackend backend, int times) {
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i)
    run(backend);
  return seconds_since(began) / times;
}

/// Median seconds of each back end. The ranks begin every measurement together: the cores of a host slow each other.
Seconds medians(const World& world, const Run& run, int repeats) {
  double once = 0;
  for (const GemmBackend backend : kBackends) {
    run(backend);  // Allocates, and makes the kernel.
    once = std::max(once, time_of(run, backend, 1));
  }
  const auto microseconds = world.max(static_cast<std::uint64_t>(1e6 * once) + 1);
  const int times = std::max(1, static_cast<int>(1e6 * kLeastSeconds / static_cast<double>(microseconds)));
  std::array<std::vector<double>, kBackends.size()> seconds;
  for (int i = 0; i < repeats; ++i) {
    for (std::size_t b = 0; b < kBackends.size(); ++b) {
      world.barrier();
      seconds[b].push_back(time_of(run, kBackends[b], times));
    }
  }
  Seconds middle{};
  for (std::size_t b = 0; b < kBackends.size(); ++b)
    middle[b] = median(seconds[b]);
  return middle;
}

Seconds of_slowest_rank(const World& world, const Seconds& mine) {
  Seconds slowest{};
  for (const std::string& text : world.gather(nlohmann::json(mine).dump())) {
    const auto seconds = nlohmann::json::parse(text).get<Seconds>();
    for (std::size_t b = 0; b < slowest.size(); ++b)
      slowest[b] = std::max(slowest[b], seconds[b]);
  }
  return slowest;
}

std::vector<Case> cases_of(const LayerShape& layer, at::ScalarType type) {
  const auto random = [&](std::int64_t rows, std::int64_t columns) {
    return at::empty({rows, columns}, type).uniform_(-1, 1);
  };
  const at::Tensor x = random(layer.rows, layer.in), w = random(layer.out, layer.in);
  const at::Tensor dy = random(layer.rows, layer.out), dw = at::zeros({layer.out, layer.in}, at::kFloat);
  const Run weight_gradient = [=](GemmBackend backend) { add_product(dw, dy.t(), x, backend); };
  if (type == at::kBFloat16) return {{"weight gradient", GemmKind::bf16_weight_gradient, weight_gradient}};
  std::vector<Case> cases{
      {"forward", GemmKind::fp32_forward, [=](GemmBackend backend) { product(x, w.t(), backend); }}};
  if (layer.input_gradient) {
    cases.push_back(
        {"input gradient", GemmKind::fp32_input_gradient, [=](GemmBackend backend) { product(dy, w, backend); }});
  }
  cases.push_back({"weight gradient",
                   layer.rows < kFewRows ? GemmKind::fp32_weight_gradient_few_rows : GemmKind::fp32_weight_gradient,
                   weight_gradient});
  return cases;
}

}  // namespace

std::vector<LayerShape> layer_shapes(const Config& config, int ranks) {
  const RunPlan plan = plan_run(config, ranks, static_cast<std::uint64_t>(config.train.global_batch));
  const VitShape shape = vit_shape(config.model);
  const std::int64_t images = plan.local_batch;
  const std::int64_t views = images * (config.views.random + config.views.focal);
  const std::int64_t tokens =
      images * (config.views.random * plan.random_tokens + config.views.focal * plan.focal_tokens);
  const std::int64_t d = shape.width;
  std::vector<LayerShape> layers{{"patch_embed", tokens - views, shape.patch_values(), d, 1, false}};
  const auto add_block = [&](const std::string& name, std::int64_t rows, std::int64_t count) {
    if (count == 0) return;
    layers.push_back({name + ".proj", rows, d, d, count});
    layers.push_back({name + ".fc1", rows, d, shape.mlp(), count});
    layers.push_back({name + ".fc2", rows, shape.mlp(), d, count});
  };
  layers.push_back({"blocks.qkv", tokens, d, 3 * d, shape.depth});
  add_block("blocks", tokens, shape.depth - 1);
  add_block("last_block", views, 1);  // Of the class tokens alone.
  const auto add_head = [&](const std::string& name, std::int64_t rows) {
    if (rows == 0) return;
    layers.push_back({name + ".fc1", rows, d, shape.head_hidden});
    layers.push_back({name + ".fc2", rows, shape.head_hidden, shape.head_hidden});
    layers.push_back({name + ".fc3", rows, shape.head_hidden, shape.head_out});
  };
  add_head("head_random", images * config.views.random);
  add_head("head_focal", images * config.views.focal);
  layers.push_back({"prototypes", views, shape.head_out, config.model.prototypes});
  return layers;
}

GemmBenchmark benchmark_gemm(const World& world, const Config& config, int repeats) {
  GemmBenchmark result;
  std::vector<LayerShape> layers;
  world.agree([&] { layers = layer_shapes(config, world.size()); });
  result.threads = set_up_threads(world, config.runtime.threads);
  // Counted for each kind of product over a step.
  std::array<Seconds, kGemmKinds> total{};
  std::vector<at::ScalarType> types{at::kFloat};
  if (world.all(kernels::has_native_bf16())) types.push_back(at::kBFloat16);
  for (const at::ScalarType type : types) {
    for (const LayerShape& layer : layers) {
      for (const Case& product : cases_of(layer, type)) {
        const Seconds seconds = of_slowest_rank(world, medians(world, product.run, repeats));
        GemmRate rate{layer.name, type == at::kFloat ? "fp32" : "bf16", product.kind, layer.rows, layer.in, layer.out};
        const double flops = 2.0 * static_cast<double>(layer.rows * layer.in * layer.out);
        for (std::size_t b = 0; b < seconds.size(); ++b) {
          rate.flops_per_second[b] = flops / seconds[b];
          total[static_cast<std::size_t>(product.decides)][b] += static_cast<double>(layer.count) * seconds[b];
        }
        result.rates.push_back(rate);
      }
    }
  }
  result.tuned = {kernels::processor_name(), MSN_TORCH_VERSION,
                  supported(default_gemm_table(kernels::processor_vendor()))};
  GemmTable& table = result.tuned.table;
  for (std::size_t kind = 0; kind < kGemmKinds; ++kind) {
    GemmBackend& backend = table.backends[kind];
    const GemmBackend other = backend == GemmBackend::mkl ? GemmBackend::onednn : GemmBackend::mkl;
    const auto time = [&](GemmBackend by) { return total[kind][static_cast<std::size_t>(by)]; };
    if (time(other) < kClearlyFaster * time(backend)) backend = other;
  }
  table = supported(table);
  return result;
}

}  // namespace msn
