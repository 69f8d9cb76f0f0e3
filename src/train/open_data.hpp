// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "data/training_data.hpp"

namespace msn {

/// Throws config_error if the global batch cannot be shared evenly by the ranks or is too small for batch norm.
void check_batch(const Config& config, int ranks);

/// The data sets of a run, open on every rank, copied to a disk of each node first if data.staging asks for it: one
/// rank of each node copies, the others wait. All ranks call. Throws an AgreedError if the batch does not fit the ranks
/// or the data, a shard is missing or has another size than its dataset.json says, ranks see different data, staging
/// fails, or data.cache does not fit in memory beside `other_bytes` of each rank.
TrainingData open_data(const World& world, const Config& config, std::uint64_t other_bytes);

}  // namespace msn
