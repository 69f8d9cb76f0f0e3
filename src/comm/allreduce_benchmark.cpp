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

struct Way {
  std::string name;
  std::function<void(std::span<float>)> sum;
};

/// The slowest rank's time of one sum, which all begin together.
double measure(const World& world, const Way& way, std::span<float> values) {
  world.barrier();
  const Clock::time_point began = Clock::now();
  way.sum(values);
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
                                               const std::function<void(const AllreduceSize&)>& each) {
  MSN_CHECK(options.least_bytes >= sizeof(float) && options.repeats > 0);
  MSN_CHECK(options.most_bytes / sizeof(float) <= INT_MAX);
  std::vector<std::unique_ptr<AsyncCollectives>> ours;
  std::vector<Way> ways;
  for (const ExchangePath path : options.paths) {
    ours.push_back(std::make_unique<AsyncCollectives>(world, CollectiveOptions{path, Background::automatic, {}}));
    AsyncCollectives& collectives = *ours.back();
    ways.push_back({path == ExchangePath::shared_memory ? "shared memory" : "messages",
                    [&collectives](std::span<float> values) { collectives.sum(values, "benchmark"); }});
  }
  ways.push_back({"MPI_Allreduce", [&world](std::span<float> values) {
                    MSN_CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_FLOAT,
                                                MPI_SUM, world.comm()));
                  }});

  // Zeros stay zeros however often they are summed.
  std::vector<float> memory(options.most_bytes / sizeof(float));
  std::vector<AllreduceSize> sizes;
  for (std::uint64_t bytes = options.least_bytes; bytes <= options.most_bytes; bytes *= 4) {
    const std::span<float> values(memory.data(), bytes / sizeof(float));
    std::vector<std::vector<double>> times(ways.size());
    for (int repeat = -1; repeat < options.repeats; ++repeat) {
      for (std::size_t w = 0; w < ways.size(); ++w) {
        const double seconds = measure(world, ways[w], values);
        if (repeat >= 0) times[w].push_back(seconds);
      }
    }
    AllreduceSize size;
    size.bytes = values.size_bytes();
    for (std::size_t w = 0; w < ways.size(); ++w)
      size.rates.push_back({ways[w].name, std::max(1e-9, median(times[w]))});
    each(size);
    sizes.push_back(std::move(size));
  }
  for (const auto& collectives : ours)
    collectives->shutdown();
  return sizes;
}

}  // namespace msn
