// SPDX-License-Identifier: Apache-2.0
// How fast a run would be, by arithmetic: nothing is started.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planning/assumptions.hpp"
#include "planning/gpu_table.hpp"
#include "train/plan.hpp"

namespace msn {

/// The machine that is planned for.
struct PlannedMachine {
  const GpuFacts* gpu = nullptr;  ///< nullptr: processors, of which only measurements tell.
  int ranks = 1;                  ///< GPUs, or ranks on processors.
  int ranks_per_node = 8;
  LinkFacts link;
  int cores_per_rank = 0;  ///< That decode; 0: as many as are needed.

  int nodes() const { return (ranks + ranks_per_node - 1) / ranks_per_node; }
};

/// Seconds of a step on the slowest rank.
struct StepParts {
  double products = 0;   ///< Matrix products and attention.
  double between = 0;    ///< What lies between them: norms, activations, sums of residuals, copies.
  double update = 0;     ///< Norm of the gradients, AdamW, EMA.
  double gradients = 0;  ///< Their sum over ranks, as far as nothing else goes on meanwhile.
  double small = 0;      ///< Collectives that others wait for: batch norm, Sinkhorn, mean prediction, metrics.
  double input = 0;      ///< Waiting for images.

  double compute() const { return products + between + update; }
  double total() const { return compute() + gradients + small + input; }
};

struct Estimate {
  Config config;  ///< With the global batch that can be used.
  RunPlan plan;
  StepParts parts;
  double gradient_bytes = 0;
  double gradient_seconds = 0;   ///< The whole sum, hidden or not.
  double model_flops_share = 0;  ///< MFU: operations of the model by the published count, of the GPUs' peak; 0 without.
  double memory = 0;             ///< Bytes of a rank, where it computes.
  double bench_memory = 0;       ///< Of that, what steps take without checkpoints, as `msn bench step` measures them.
  double memory_there = 0;       ///< 0: not known.
  std::int64_t largest_batch = 0;  ///< Images of a rank that fit; 0: not known, or none.
  double input_cores = 0;          ///< Of a rank, so that it never waits.
  double storage = 0;              ///< Bytes/s of all ranks.
  std::vector<std::string> notes;  ///< What was changed to make a plan, and what it rests on.

  double images_per_second() const { return config.train.global_batch / parts.total(); }
  double epoch_seconds() const { return static_cast<double>(plan.steps_per_epoch) * parts.total(); }
  double run_seconds() const { return static_cast<double>(plan.steps) * parts.total(); }
};

/// The global batch nearest to `wanted` (of two, the greater) that `ranks` can share evenly, in micro-batches of
/// `micro_batch` images if that is not 0.
int nearest_batch(int wanted, int ranks, int micro_batch);

/// Tokens that pass a block for an image, with their backward pass counted as twice as many.
double token_passes(const Config& config, const RunPlan& plan);

/// For a data set of `images`. The batch is made to fit (nearest_batch). Throws config_error for what no batch can
/// mend, usage_error for processors without a measured step, or a precision that the GPU has not.
Estimate estimate(const Config& config, const PlannedMachine& machine, const Assumptions& assumptions,
                  std::uint64_t images);

/// Bytes of a GPU that a plain PyTorch program would take for the same step: all activations kept, attention with its
/// matrix in memory, gradients a second time in the buckets of its data-parallel wrapper. For comparison with published
/// numbers, and to tell what is saved.
double plain_memory(const Config& config, const RunPlan& plan);

}  // namespace msn
