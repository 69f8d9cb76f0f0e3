// SPDX-License-Identifier: Apache-2.0
// How fast each back end computes the matrix products of a model on this machine.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "model/gemm_table.hpp"

namespace msn {

/// The products of one linear layer over `rows` tokens or images, [rows, in] times [in, out].
struct LayerShape {
  std::string name;
  std::int64_t rows = 0, in = 0, out = 0;
  std::int64_t count = 1;      ///< How often it comes in a step.
  bool input_gradient = true;  ///< Pixels take none.
};

/// The layers that a rank's anchors go through in a step, for its share of train.global_batch. The target's are the
/// same, forward, of other numbers of rows.
std::vector<LayerShape> layer_shapes(const Config& config, int ranks);

/// One product and its rates by back end, at the enumerator of GemmBackend.
struct GemmRate {
  std::string layer, type, kind;  ///< As "blocks.fc1", "fp32", "weight gradient".
  std::int64_t rows = 0, in = 0, out = 0;
  std::array<double, 2> flops_per_second{};  ///< Of the slowest rank.
};

struct GemmBenchmark {
  int threads = 1;
  std::vector<GemmRate> rates;
  TunedGemm tuned;  ///< The default, but for kinds of product of which a step's take clearly less time by the other.
};

/// Times every back end in turn, `repeats` times, on all ranks together, and takes medians: in float32, and in bfloat16
/// where that is native. All ranks call, with equal arguments. Throws AgreedError.
GemmBenchmark benchmark_gemm(const World& world, const Config& config, int repeats);

}  // namespace msn
