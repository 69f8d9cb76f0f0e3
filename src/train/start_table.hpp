// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "train/plan.hpp"
#include "train/surroundings.hpp"

namespace msn {

/// What a life begins with, beside its configuration.
struct StartFacts {
  std::filesystem::path run;
  std::uint64_t completed = 0;  ///< Steps before it.
  std::uint64_t last = 0;       ///< Step that it ends with.
  RunPlan plan;
  StepSurroundings surroundings;
};

/// For people, at the start of a life: lines of a name and what there is to say, without line ends. Of MPI and HDF5 it
/// tells what is loaded.
std::vector<std::string> start_table(const Config& config, const StartFacts& facts);

}  // namespace msn
