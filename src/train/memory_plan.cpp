// SPDX-License-Identifier: Apache-2.0
#include "train/memory_plan.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/arena.hpp"
#include "checkpoint/slices.hpp"
#include "data/loader.hpp"
#include "data/masks.hpp"
#include "data/views.hpp"
#include "kernels/device/space.hpp"
#include "model/gemm.hpp"
#include "train/device_views.hpp"
#include "train/setup.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

// Assumed of a GPU, from what the makers of CUDA, cuBLAS and NCCL document, not measured here.
constexpr double kMiB = 1 << 20;
constexpr double kContext = 700 * kMiB;  ///< CUDA's context with LibTorch's kernels.
constexpr double kCublas = 64 * kMiB;    ///< LibTorch's workspaces of cuBLAS and cuBLASLt, 32 MiB each on Hopper.
constexpr double kNccl = 512 * kMiB;     ///< Channels and rings of a communicator.
/// LibTorch's allocator keeps blocks of a few sizes apart; what no tensor uses of them.
constexpr double kSlack = 1.0 / 16;

/// As base/arena.cpp rounds, and LibTorch's allocator of a GPU.
constexpr MemoryGranules kArena{64, Arena::small_limit, 4096};
constexpr MemoryGranules kGpu{512, 0, 512};

std::int64_t tokens_of(const VisiblePatches& visible, int view) {
  return 1 + visible.count(view);
}

std::int64_t images_at_once(const Config& config, const PlannedRank& rank) {
  return config.train.micro_batch == 0 ? rank.local_batch : config.train.micro_batch;
}

double batch_rows_bytes(const Config& config, const PlannedRank& rank, const VisiblePatches& visible) {
  double rows = 0;
  for (int view = 0; view < view_count(config.views); ++view)
    rows += static_cast<double>(visible.count(view));
  return sizeof(float) * rows * static_cast<double>(visible.patch_values() * rank.local_batch);
}

std::vector<std::uint64_t> state_sizes(const Config& config) {
  return state_tensor_sizes(vit_shape(config.model), config.model.prototypes, scalar_type(config.train.precision));
}

double largest_slice(const Config& config, int ranks) {
  const std::vector<std::uint64_t> sizes = state_sizes(config);
  double largest = 0;
  for (const Slice& slice : cut_into_slices(sizes, std::min(config.checkpoint.writers, ranks)))
    largest = std::max(largest, static_cast<double>(slice.bytes));
  return largest;
}

/// Whether one of LibTorch's fused back ends computes the type and the width of a head.
bool fused_attention_takes(const Config& config) {
  const int head = config.model.width / config.model.heads;
  return config.train.precision != Precision::fp64 && head % 8 == 0 && head <= 256;
}

VisiblePatches visible_patches(const Config& config) {
  return {config.views, config.model.patch_size, config.train.seed, config.train.global_batch};
}

void add_gpu(const Config& config, const PlannedRank& rank, MemoryPlan& plan) {
  // The ring of uploads, and the place that a captured graph reads, beside the one that was counted.
  const std::size_t places = DeviceViews::slots + (config.runtime.cuda_graph ? 1 : 0);
  plan.step.of(MemoryUse::batch) *= static_cast<double>(places);
  const std::vector<std::uint64_t> state = state_sizes(config);
  plan.host.of(MemoryUse::host_state) = std::accumulate(state.begin(), state.end(), 0.0);
  plan.step.of(MemoryUse::slack) = kSlack * plan.step.total();
  plan.step.of(MemoryUse::libraries) = kContext + kCublas + (rank.ranks > 1 ? kNccl : 0);
}

}  // namespace

std::int64_t parameter_bytes(Precision precision) {
  return precision == Precision::fp64 ? 8 : 4;
}

std::int64_t value_bytes(Precision precision) {
  return precision == Precision::bf16 ? 2 : parameter_bytes(precision);
}

StepSizes step_sizes(const Config& config, const PlannedRank& rank) {
  const VisiblePatches visible = visible_patches(config);
  const std::int64_t samples = rank.local_batch;
  StepSizes sizes;
  sizes.shape = vit_shape(config.model);
  sizes.prototypes = config.model.prototypes;
  sizes.target = {samples, tokens_of(visible, 0), visible.grid(0), 0, false};
  const auto anchors = [&](int first_view, int views) {
    GroupSizes group;
    if (views == 0) return group;
    group.images = views * samples;
    group.tokens = tokens_of(visible, first_view);
    group.grid = visible.grid(first_view);
    if (visible.is_masked(first_view)) group.masks = visible.one_mask() ? 1 : group.images;
    group.drops_paths = config.model.drop_path > 0;
    return group;
  };
  sizes.random = anchors(1, config.views.random);
  sizes.focal = anchors(1 + config.views.random, config.views.focal);
  sizes.parts = samples / images_at_once(config, rank);
  sizes.parameter_bytes = parameter_bytes(config.train.precision);
  sizes.value_bytes = value_bytes(config.train.precision);
  sizes.recompute = config.train.recompute ? Recompute::norms_and_activations : Recompute::nothing;
  sizes.sinkhorn = config.loss.sinkhorn;
  sizes.ranks = rank.ranks;
  if (rank.on_gpu) {
    sizes.form = kernels::device::computes_on_gpu() ? KernelForm::kokkos : KernelForm::torch;
    sizes.plain_attention = config.runtime.attention == AttentionChoice::plain || !fused_attention_takes(config);
  } else {
    sizes.plain_attention = true;  // Of forms that host memory has for tests.
    sizes.form = kernel_form(at::empty({0}));
    sizes.gemm = gemm_in_force();
  }
  sizes.copies_batch = rank.on_gpu || sizes.value_bytes != sizeof(float);
  return sizes;
}

MemoryPlan plan_memory(const Config& config, const PlannedRank& rank) {
  MemoryPlan plan;
  plan.on_gpu = rank.on_gpu;
  MemoryLedger ledger(rank.on_gpu ? kGpu : kArena);
  go_through_step(step_sizes(config, rank), ledger);
  plan.step = ledger.at_peak();
  plan.most = ledger.most();
  if (rank.ranks > 1 && config.train.reduce_precision == ReducePrecision::bf16) {
    const double elements = plan.step.of(MemoryUse::weights) / (config.train.precision == Precision::fp64 ? 8 : 4);
    plan.step.of(MemoryUse::messages) = 2 * elements;
  }
  if (rank.on_gpu) add_gpu(config, rank, plan);
  // Made-up numbers are made once.
  const std::size_t ahead = config.data.input == DataInput::synthetic ? 0 : Loader::batches_ahead;
  plan.host.of(MemoryUse::batches_ahead) =
      batch_rows_bytes(config, rank, visible_patches(config)) *
      static_cast<double>(ahead + 1 + (rank.on_gpu ? static_cast<std::size_t>(config.runtime.run_ahead) : 0));
  plan.host.of(MemoryUse::checkpoint_copy) = largest_slice(config, rank.ranks);
  return plan;
}

std::int64_t largest_local_batch(const Config& config, PlannedRank rank, double bytes) {
  const std::int64_t unit = std::max(1, config.train.micro_batch);
  const auto fits = [&](std::int64_t units) {
    rank.local_batch = units * unit;
    return plan_memory(config, rank).device_bytes() <= bytes;
  };
  if (!fits(1)) return 0;
  std::int64_t good = 1, bad = 2;
  constexpr std::int64_t most = std::int64_t{1} << 20;
  for (; bad <= most && fits(bad); bad *= 2)
    good = bad;
  while (bad - good > 1) {
    const std::int64_t middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good * unit;
}

std::optional<std::int64_t> largest_micro_batch(const Config& config, const PlannedRank& rank, double bytes) {
  Config other = config;
  for (std::int64_t at_once = rank.local_batch; at_once > 0; --at_once) {
    if (rank.local_batch % at_once != 0) continue;
    other.train.micro_batch = static_cast<int>(at_once);
    if (plan_memory(other, rank).device_bytes() <= bytes) return at_once;
  }
  return std::nullopt;
}

std::string size_text(double bytes) {
  constexpr double kib = 1024, mib = kib * 1024, gib = mib * 1024;
  char text[32];
  if (bytes >= 0.1 * gib) {
    std::snprintf(text, sizeof text, "%.2f GiB", bytes / gib);
  } else if (bytes >= 0.1 * mib) {
    std::snprintf(text, sizeof text, "%.1f MiB", bytes / mib);
  } else {
    std::snprintf(text, sizeof text, "%.1f KiB", bytes / kib);
  }
  return text;
}

std::string to_text(const MemoryTable& table) {
  std::string text;
  for (std::size_t use = 0; use < kMemoryUses; ++use) {
    if (table.bytes[use] <= 0) continue;
    text += text.empty() ? "" : ", ";
    text += name_of(static_cast<MemoryUse>(use));
    text += " " + size_text(table.bytes[use]);
  }
  return text;
}

std::vector<std::string> plan_lines(const MemoryPlan& plan) {
  return {
      size_text(plan.step.total()) + (plan.on_gpu ? " of a GPU" : "") + " at the peak of a step: " + to_text(plan.step),
      size_text(plan.host.total()) + (plan.on_gpu ? " of host memory: " : " beside it: ") + to_text(plan.host)};
}

}  // namespace msn
