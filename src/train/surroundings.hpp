// SPDX-License-Identifier: Apache-2.0
// What a run's numbers depend on up to their last bit, beside its configuration and data.
#pragma once

#include <string>

#include "checkpoint/manifest.hpp"
#include "comm/world.hpp"

namespace msn {

struct StepSurroundings {
  int world_size = 1;
  int threads = 1;              ///< Compute threads of each rank; 0: unknown.
  std::string version;          ///< Of msn.
  std::string torch;            ///< Version of LibTorch; empty: unknown.
  std::string instruction_set;  ///< That LibTorch uses; empty: unknown.
  std::string processor;        ///< kernels::processor_name() of rank 0; empty: unknown.
  std::string gemm;             ///< Back ends of matrix products, to_text(GemmTable); empty: unknown.
  std::string device;           ///< What computes the steps, Placement::name() of rank 0; empty: processors.

  bool operator==(const StepSurroundings&) const = default;
};

/// Of this job, whose back ends of matrix products are set up; `device` as StepSurroundings::device.
StepSurroundings surroundings_here(const World& world, int threads, const std::string& device = {});

/// Of the job that wrote a checkpoint.
StepSurroundings surroundings_of(const Manifest& manifest);

/// Writes what a manifest says of its job, but for the version of msn, which stands in every manifest.
void record(const StepSurroundings& surroundings, CheckpointFacts& facts);

/// Why equal steps may have other last bits `now` than `before`: "the number of ranks was 2 and is now 3", several with
/// "; " between them; empty if they have the same. What is unknown differs from nothing.
std::string why_not_bits(const StepSurroundings& before, const StepSurroundings& now);

}  // namespace msn
