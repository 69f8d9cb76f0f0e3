// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "comm/world.hpp"
#include "config/config.hpp"

namespace msn {

struct DryRunOptions {
  std::optional<int> ranks;             ///< Instead of the ranks that were started.
  std::optional<std::uint64_t> images;  ///< Instead of the data set's.
  bool on_gpu = false;                  ///< Memory is planned for ranks on GPUs; none need be here.
};

/// Prints, on rank 0, what a run with this configuration would be: parameters, tokens, operations, memory, steps and
/// schedules. Reads no more than the data set's dataset.json, where there is one, and the prior's file. Throws
/// config_error if the batch does not fit the ranks or the data, or the prior not the prototypes.
void dry_run(const World& world, const Config& config, const DryRunOptions& options, bool json);

}  // namespace msn
