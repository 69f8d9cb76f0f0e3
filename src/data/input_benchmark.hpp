// SPDX-License-Identifier: Apache-2.0
// How fast images become views on this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/pixel_kernels.hpp"

namespace msn {

/// CPU time that one thread spends in one stage for all images. A view's operation is timed on the views that have it,
/// as training draws them.
struct StageCost {
  std::string name;
  double cpu_seconds = 0;
};

/// The whole way from the shard to all views of an image.
struct PipelineRate {
  double wall_seconds = 0;
  double cpu_seconds = 0;  ///< Of all threads.
};

struct InputBenchmark {
  std::string kernels;  ///< Instruction set of the view operations.
  std::uint64_t images = 0;
  int threads = 1;
  std::vector<StageCost> stages;  ///< On one thread.
  PipelineRate pixels;            ///< To 8-bit views.
  PipelineRate patch_rows;        ///< To normalised float32 patch rows; the mask of random views counts.
};

/// Runs the first `images` samples through each stage, then through the whole pipeline on `threads` threads, each time
/// `repeats` times over. Everything is read once before, so that it comes from the page cache. Throws data_error for a
/// sample that cannot be read or decoded.
InputBenchmark benchmark_input(const DataSet& set, const Config& config, std::uint64_t images, int threads, int repeats,
                               const PixelKernels& kernels = pixel_kernels());

}  // namespace msn
