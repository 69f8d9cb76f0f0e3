// SPDX-License-Identifier: Apache-2.0
#include "comm/allreduce_benchmark.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <memory>
#include <span>

#include "base/error.hpp"
#include "base/quantile.hpp"

namespace msn {

namespace {

using Clock = std::chrono::steady_clock;

/// The slowest rank's time of one sum, which all begin together.
double measure(const World& world, const AllreduceWay& way, std::uint64_t bytes) {
  world.barrier();
  const Clock::time_point began = Clock::now();
  way.sum(bytes);
  const auto mine = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - began).count();
  return 1e-9 * static_cast<double>(world.max(static_cast<std::uint64_t>(mine)));
}

}  // namespace

double algorithm_bandwidth(std::uint64_t bytes, double seconds) {
  return static_cast<double>(bytes) / seconds;
}

double bus_bandwidth(std::uint64_t bytes, double seconds, int ranks) {
  return algorithm_bandwidth(bytes, seconds) * 2 * (ranks - 1) / ranks;
}

std::vector<AllreduceSize> benchmark_allreduce(const World& world, const AllreduceBenchmarkOptions& options,
                                               const std::vector<AllreduceWay>& ways,
                                               const std::function<void(const AllreduceSize&)>& each) {
  MSN_CHECK(options.least_bytes >= sizeof(float) && options.repeats > 0);
  std::vector<AllreduceSize> sizes;
  for (std::uint64_t bytes = options.least_bytes; bytes <= options.most_bytes; bytes *= 4) {
    AllreduceSize size;
    size.bytes = bytes / sizeof(float) * sizeof(float);
    std::vector<std::vector<double>> times(ways.size());
    for (int repeat = -1; repeat < options.repeats; ++repeat) {
      for (std::size_t w = 0; w < ways.size(); ++w) {
        const double seconds = measure(world, ways[w], size.bytes);
        if (repeat >= 0) times[w].push_back(seconds);
      }
    }
    for (std::size_t w = 0; w < ways.size(); ++w)
      size.rates.push_back({ways[w].name, std::max(1e-9, median(times[w]))});
    each(size);
    sizes.push_back(std::move(size));
  }
  return sizes;
}

std::vector<AllreduceSize> benchmark_allreduce(const World& world, const AllreduceBenchmarkOptions& options,
                                               const std::function<void(const AllreduceSize&)>& each) {
  MSN_CHECK(options.most_bytes / sizeof(float) <= INT_MAX);
  // Zeros stay zeros however often they are summed.
  std::vector<float> memory(options.most_bytes / sizeof(float));
  const auto values = [&memory](std::uint64_t bytes) { return std::span(memory.data(), bytes / sizeof(float)); };
  std::vector<std::unique_ptr<AsyncCollectives>> ours;
  std::vector<AllreduceWay> ways;
  for (const ExchangePath path : options.paths) {
    ours.push_back(std::make_unique<AsyncCollectives>(world, CollectiveOptions{path, Background::automatic, {}}));
    AsyncCollectives& collectives = *ours.back();
    ways.push_back({path == ExchangePath::shared_memory ? "shared memory" : "messages",
                    [&, values](std::uint64_t bytes) { collectives.sum(values(bytes), "benchmark"); }});
  }
  ways.push_back({"MPI_Allreduce", [&](std::uint64_t bytes) {
                    const std::span<float> here = values(bytes);
                    MSN_CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, here.data(), static_cast<int>(here.size()), MPI_FLOAT,
                                                MPI_SUM, world.comm()));
                  }});
  std::vector<AllreduceSize> sizes = benchmark_allreduce(world, options, ways, each);
  for (const auto& collectives : ours)
    collectives->shutdown();
  return sizes;
}

}  // namespace msn
