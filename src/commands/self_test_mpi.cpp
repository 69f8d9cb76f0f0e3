// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "comm/allreduce_benchmark.hpp"
#include "comm/clock_offsets.hpp"
#include "comm/cores.hpp"
#include "comm/devices.hpp"
#include "comm/exchange_trial.hpp"
#include "comm/job.hpp"
#include "comm/mpi_version.hpp"
#include "comm/shared_folder.hpp"
#include "commands/self_test_report.hpp"

namespace msn {

namespace {

/// Clocks further apart than this make logs of several hosts hard to read, and the end of a job late or early.
constexpr double kClockLimit = 2;

std::string counted(std::size_t count, const std::string& one) {
  return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
}

const char* name_of_thread_level(int level) {
  switch (level) {
    case MPI_THREAD_MULTIPLE:
      return "MPI_THREAD_MULTIPLE";
    case MPI_THREAD_SERIALIZED:
      return "MPI_THREAD_SERIALIZED";
    default:
      return "MPI_THREAD_FUNNELED";
  }
}

std::string launcher_text(const LauncherClaim& claim) {
  std::string text = claim.launcher.empty() ? "none" : claim.launcher;
  if (const auto job = job_of_environment()) text += ", in job " + job->scheduler + " " + job->id;
  return text;
}

/// Of each host, the number of its first rank.
std::vector<int> first_ranks(const World& world) {
  std::vector<int> first;
  const std::vector<std::string> locals = world.gather(std::to_string(world.local_rank()));
  for (std::size_t rank = 0; rank < locals.size(); ++rank) {
    if (locals[rank] == "0") first.push_back(static_cast<int>(rank));
  }
  return first;
}

void report_hosts(const World& world, std::size_t hosts, SelfTestReport& report) {
  const auto size = static_cast<std::uint64_t>(world.local_size());
  const std::uint64_t most = world.max(size), least = ~world.max(~size);
  std::string text = counted(static_cast<std::size_t>(world.size()), "rank") + " on " + counted(hosts, "host");
  if (hosts > 1) text += ", " + (least == most ? "" : std::to_string(least) + " to ") + std::to_string(most) + " each";
  report.fact("ranks", text);
  if (least != most) {
    report.warn(
        "hosts have different numbers of ranks: all wait for those that share a host with the most; mpirun "
        "--map-by ppr:N:node, or srun --ntasks-per-node=N, starts the same on each");
  }
}

void report_places(const World& world, SelfTestReport& report) {
  std::vector<RankPlace> places = gather_places(world, nullptr, {.compute = cores_of_this_rank(world)});
  const std::string too_many = oversubscription(places);
  // How many of each kind there will be is the configuration's to say.
  for (RankPlace& place : places)
    place.threads = {};
  report.table("places", place_table(places));
  if (!too_many.empty()) report.warn(too_many);
}

void report_rates(const World& world, ExchangePath path, const std::string& name, SelfTestReport& report) {
  AllreduceBenchmarkOptions options;
  options.paths = {path};
  const auto rate = [&](std::uint64_t bytes) {
    options.least_bytes = options.most_bytes = bytes;
    return benchmark_allreduce(world, options, [](const AllreduceSize&) {}).front().rates.front().seconds;
  };
  constexpr std::uint64_t small = std::uint64_t{1} << 10, large = std::uint64_t{4} << 20;
  const double seconds_small = rate(small), seconds_large = rate(large);
  char text[64] = "";
  std::snprintf(text, sizeof text, "%.2f bus GB/s", 1e-9 * bus_bandwidth(large, seconds_large, world.size()));
  report.fact(name, "right; a sum of 1 KiB takes " + time_text(seconds_small) + ", of 4 MiB " +
                        time_text(seconds_large) + " (" + text + ")");
}

void report_exchange(const World& world, ExchangePath path, const std::string& name, SelfTestReport& report) {
  try_exchange(world, path);
  report_rates(world, path, name, report);
}

void report_clocks(const World& world, std::vector<int> first, SelfTestReport& report) {
  std::erase(first, 0);
  if (first.empty()) return;
  const std::vector<ClockOffset> offsets = clock_offsets(world, first);
  const std::vector<std::string> hosts = world.gather(world.host());
  if (world.rank() != 0) return;
  const ClockOffset worst = *std::max_element(
      offsets.begin(), offsets.end(),
      [](const ClockOffset& a, const ClockOffset& b) { return std::abs(a.ahead) < std::abs(b.ahead); });
  const std::string text = time_text(std::abs(worst.ahead)) + " (+- " + time_text(worst.error) + ", host " +
                           hosts[static_cast<std::size_t>(worst.rank)] + ")";
  report.fact("clocks", "apart by at most " + text);
  if (std::abs(worst.ahead) - worst.error > kClockLimit)
    report.warn("the clocks of hosts are apart by " + text + ": have them set (NTP); a job's end is told by rank 0's");
}

}  // namespace

void self_test_mpi(const World& world, const LauncherClaim& launcher, const std::filesystem::path& folder,
                   SelfTestReport& report) {
  report.common_fact("MPI", mpi_version());
  report.fact("launcher", launcher_text(launcher));
  report.fact("threads", name_of_thread_level(world.thread_level()));
  if (world.thread_level() < MPI_THREAD_MULTIPLE) {
    report.warn(
        "this MPI lets one thread communicate: sums of gradients between hosts will not overlap with computing; "
        "use one with MPI_THREAD_MULTIPLE");
  }
  const std::vector<int> first = first_ranks(world);
  report_hosts(world, first.size(), report);
  report_places(world, report);
  if (world.size() > 1) {
    if (first.size() == 1) report_exchange(world, ExchangePath::shared_memory, "shared memory", report);
    report_exchange(world, ExchangePath::messages, "messages", report);
  }
  report_clocks(world, first, report);
  check_shared_folder(world, folder);
  report.fact("folder", absolute_text(folder) + ": one and the same for all ranks, and writable");
}

}  // namespace msn
