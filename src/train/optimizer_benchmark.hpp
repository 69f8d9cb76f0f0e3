// SPDX-License-Identifier: Apache-2.0
// How fast the optimiser goes over the state, beside a plain copy of as many bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/world.hpp"
#include "config/config.hpp"

namespace msn {

/// Norm of the gradients and update, in one form. Medians, of the slowest rank.
struct OptimizerPass {
  bool shadows = false;    ///< Weights and EMA are rounded to bfloat16, too.
  std::int64_t bytes = 0;  ///< Read and written, of all ranks together.
  double seconds = 0;
  double copy_seconds = 0;  ///< A plain copy that reads and writes as many.
  double ratio = 0;         ///< copy_seconds / seconds, of each pair.
};

struct OptimizerBenchmark {
  int threads = 1;  ///< Compute threads of a rank.
  std::int64_t parameters = 0;
  std::vector<OptimizerPass> passes;  ///< Without shadows, then with them if the state is float32.
};

/// On a state of the size of `config`, with made-up gradients. All ranks call, with equal arguments. Throws
/// AgreedError.
OptimizerBenchmark benchmark_optimizer(const World& world, const Config& config, int repeats);

}  // namespace msn
