// SPDX-License-Identifier: Apache-2.0
// How fast values are summed over ranks here, against MPI's own sum.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "comm/async_collectives.hpp"
#include "comm/world.hpp"

namespace msn {

struct AllreduceBenchmarkOptions {
  std::uint64_t least_bytes = std::uint64_t{1} << 10;
  std::uint64_t most_bytes = std::uint64_t{1} << 30;
  int repeats = 5;
  std::vector<ExchangePath> paths;  ///< Of our sum in host memory; `automatic` is not among them.
};

/// A way to sum over ranks. `sum` sums zeros of float32, `bytes` a rank, and returns when this rank has the result.
struct AllreduceWay {
  std::string name;
  std::function<void(std::uint64_t bytes)> sum;
};

/// One way to sum, at one size.
struct AllreduceRate {
  std::string way;     ///< "shared memory", "messages", "MPI_Allreduce" or "NCCL".
  double seconds = 0;  ///< Median over the repeats of the slowest rank's time.
};

struct AllreduceSize {
  std::uint64_t bytes = 0;  ///< That every rank gives.
  std::vector<AllreduceRate> rates;
};

/// Bytes over time.
double algorithm_bandwidth(std::uint64_t bytes, double seconds);
/// What goes over the links of the best algorithm: 2 (n - 1) / n times as much; comparable between numbers of ranks.
double bus_bandwidth(std::uint64_t bytes, double seconds, int ranks);

/// Sums float32 values of `least_bytes`, four times as many, and so on up to `most_bytes`, one way after the other in
/// every repeat, after one that does not count. `each` is told every size as it is done. All ranks call, with equal
/// options and ways.
std::vector<AllreduceSize> benchmark_allreduce(const World& world, const AllreduceBenchmarkOptions& options,
                                               const std::vector<AllreduceWay>& ways,
                                               const std::function<void(const AllreduceSize&)>& each);

/// The same in host memory: by each of `options.paths`, and by MPI.
std::vector<AllreduceSize> benchmark_allreduce(const World& world, const AllreduceBenchmarkOptions& options,
                                               const std::function<void(const AllreduceSize&)>& each);

}  // namespace msn
