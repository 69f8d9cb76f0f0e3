// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <vector>

#include "comm/allreduce_benchmark.hpp"
#include "comm/world.hpp"

namespace msn {

/// As benchmark_allreduce(), between GPUs: NCCL's sum, from the call to the moment at which the host knows that its
/// device has the result. Each rank has been bound to its GPU (bind_gpu). All ranks call, with equal options.
std::vector<AllreduceSize> benchmark_device_allreduce(const World& world, const AllreduceBenchmarkOptions& options,
                                                      const std::function<void(const AllreduceSize&)>& each);

}  // namespace msn
