// SPDX-License-Identifier: Apache-2.0
#include "comm/devices.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/wire.hpp"
#include "comm/cores.hpp"

namespace msn {

namespace {

/// What tells machines apart where names do not: containers of one machine may have different names, and those of two
/// the same.
std::string machine_id(const std::string& host) {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  return std::getline(file, id) && !id.empty() ? id : host;
}

using Row = std::vector<std::string>;

std::string device_of(const RankPlace& place) {
  return place.pci.empty() ? place.device : place.device + " " + place.pci;
}

std::string or_unknown(const std::string& text) {
  return text.empty() ? "?" : text;
}

Row row_of(const RankPlace& place) {
  return {std::to_string(place.rank), one_line(place.host), one_line(device_of(place)), or_unknown(place.cores),
          or_unknown(place.numa)};
}

/// At most about 24 characters of a list of ranges, cut at a comma.
std::string shortened(const std::string& ranges) {
  constexpr std::size_t most = 24;
  if (ranges.size() <= most) return ranges;
  return ranges.substr(0, ranges.rfind(',', most)) + ",...";
}

/// All numbers of the lists of several ranks.
std::vector<int> merged_numbers(std::span<const RankPlace* const> places, std::string RankPlace::*list) {
  std::set<int> all;
  for (const RankPlace* place : places) {
    const std::vector<int> numbers = parse_ranges(place->*list);
    all.insert(numbers.begin(), numbers.end());
  }
  return {all.begin(), all.end()};
}

std::string merged(std::span<const RankPlace* const> places, std::string RankPlace::*list) {
  return or_unknown(shortened(format_ranges(merged_numbers(places, list))));
}

/// The ranks of each machine, in order of its first one. Containers with names of their own are machines of their own.
std::vector<std::vector<const RankPlace*>> by_machine(std::span<const RankPlace> places) {
  std::vector<std::vector<const RankPlace*>> machines;
  std::map<std::string, std::size_t> index;
  for (const RankPlace& place : places) {
    const auto [at, is_new] = index.try_emplace(place.machine + " " + place.host, machines.size());
    if (is_new) machines.emplace_back();
    machines[at->second].push_back(&place);
  }
  return machines;
}

struct ThreadColumn {
  const char* heading;
  int ThreadCounts::*count;
};
constexpr std::array kThreadColumns{
    ThreadColumn{"threads: compute", &ThreadCounts::compute}, ThreadColumn{"loader", &ThreadCounts::loader},
    ThreadColumn{"sums", &ThreadCounts::communication}, ThreadColumn{"writer", &ThreadCounts::writer}};

int total(std::span<const RankPlace* const> places, int ThreadCounts::*count) {
  int sum = 0;
  for (const RankPlace* place : places)
    sum += place->threads.*count;
  return sum;
}

void add_threads(Row& row, std::span<const RankPlace* const> places) {
  for (const ThreadColumn& column : kThreadColumns)
    row.push_back(std::to_string(total(places, column.count)));
}

void add_thread_headings(Row& row) {
  for (const ThreadColumn& column : kThreadColumns)
    row.emplace_back(column.heading);
}

/// One line for all ranks of a machine.
Row row_of(std::span<const RankPlace* const> places) {
  std::vector<int> ranks;
  std::map<std::string, int> devices;
  for (const RankPlace* place : places) {
    ranks.push_back(place->rank);
    ++devices[place->device];
  }
  std::string device;
  for (const auto& [name, count] : devices) {
    device += (device.empty() ? "" : ", ") + std::to_string(count) + " x " + one_line(name);
  }
  return {shortened(format_ranges(ranks)), one_line(places.front()->host), device, merged(places, &RankPlace::cores),
          merged(places, &RankPlace::numa)};
}

std::vector<std::string> aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  std::vector<std::string> lines;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

int choose_gpu(int visible, int local_rank, int local_size) {
  MSN_CHECK(visible >= 0 && local_rank >= 0 && local_rank < local_size);
  if (visible == 0) throw config_error("no device was found", "--device cuda", "use --device cpu");
  if (visible == 1) return 0;
  if (visible >= local_size) return local_rank;
  throw config_error(
      std::to_string(local_size) + " ranks of this host see " + std::to_string(visible) + " GPUs", "--device cuda",
      "start at most one rank for each GPU, for instance with mpirun --map-by ppr:" + std::to_string(visible) +
          ":node");
}

std::vector<RankPlace> gather_places(const World& world, const Gpu* gpu, const ThreadCounts& threads) {
  const std::vector<int> cores = allowed_core_numbers();
  WireWriter mine;
  mine.put(world.host());
  mine.put(machine_id(world.host()));
  mine.put(gpu == nullptr ? std::string("cpu") : gpu->name);
  mine.put(gpu == nullptr ? std::string() : gpu->pci);
  mine.put(format_ranges(cores));
  mine.put(format_ranges(numa_nodes(cores)));
  mine.put(threads);
  std::vector<RankPlace> places;
  for (const std::string& text : world.gather(mine.take())) {
    WireReader from(text);
    RankPlace place;
    place.rank = static_cast<int>(places.size());
    for (std::string* field : {&place.host, &place.machine, &place.device, &place.pci, &place.cores, &place.numa}) {
      *field = from.text();
    }
    place.threads = from.get<ThreadCounts>();
    places.push_back(std::move(place));
  }
  return places;
}

void check_distinct_gpus(std::span<const RankPlace> places) {
  std::map<std::pair<std::string, std::string>, const RankPlace*> owners;
  for (const RankPlace& place : places) {
    if (place.pci.empty()) continue;
    const auto [owner, is_new] = owners.try_emplace({place.machine, place.pci}, &place);
    if (is_new) continue;
    throw config_error("ranks " + std::to_string(owner->second->rank) + " and " + std::to_string(place.rank) +
                           " have the same GPU: " + device_of(place),
                       "host " + place.host,
                       "let each rank see all GPUs of its host or a GPU of its own (CUDA_VISIBLE_DEVICES, srun "
                       "--gpu-bind=none), and start at most one rank for each");
  }
}

Gpu bind_gpu(const World& world, const VisibleGpus& visible) {
  Gpu gpu;
  world.agree([&] {
    if (!visible.built_with_cuda) {
      throw config_error("this msn was built without CUDA", "--device cuda",
                         "build the preset cuda (launch/setup --cuda, launch/build cuda) and start "
                         "build/cuda/msn, or use --device cpu");
    }
    if (visible.gpus.empty()) {
      throw config_error("no device was found: " + visible.why_none, "--device cuda",
                         "look at nvidia-smi and CUDA_VISIBLE_DEVICES on this host, or use --device cpu");
    }
    const int number = choose_gpu(static_cast<int>(visible.gpus.size()), world.local_rank(), world.local_size());
    use_gpu(number);
    gpu = visible.gpus[static_cast<std::size_t>(number)];
  });
  const std::vector<RankPlace> places = gather_places(world, &gpu);
  world.agree([&] { check_distinct_gpus(places); });
  return gpu;
}

std::vector<std::string> place_table(std::span<const RankPlace> places, std::size_t most) {
  const bool with_threads = !places.empty() && places.front().threads.compute > 0;
  const bool by_rank = places.size() <= most;
  std::vector<Row> rows{by_rank ? Row{"rank", "host", "device", "cores", "NUMA"}
                                : Row{"ranks", "host", "devices", "cores", "NUMA"}};
  if (with_threads) add_thread_headings(rows.front());
  const auto add = [&](Row row, std::span<const RankPlace* const> of) {
    if (with_threads) add_threads(row, of);
    rows.push_back(std::move(row));
  };
  if (by_rank) {
    for (const RankPlace& place : places) {
      const RankPlace* one = &place;
      add(row_of(place), {&one, 1});
    }
    return aligned(rows);
  }
  const std::vector<std::vector<const RankPlace*>> machines = by_machine(places);
  for (std::size_t i = 0; i < std::min(most, machines.size()); ++i)
    add(row_of(machines[i]), machines[i]);
  std::vector<std::string> lines = aligned(rows);
  if (machines.size() > most) lines.push_back("and " + std::to_string(machines.size() - most) + " more hosts");
  return lines;
}

std::string unequal_hosts(std::span<const RankPlace> places) {
  const std::vector<std::vector<const RankPlace*>> machines = by_machine(places);
  const auto [fewest, most] = std::minmax_element(machines.begin(), machines.end(),
                                                  [](const auto& a, const auto& b) { return a.size() < b.size(); });
  if (machines.empty() || fewest->size() == most->size()) return "";
  const auto text = [](const std::vector<const RankPlace*>& ranks) {
    return std::to_string(ranks.size()) + " on " + one_line(ranks.front()->host);
  };
  return "hosts have different numbers of ranks, " + text(*most) + " and " + text(*fewest) +
         ": every rank has equally many images of a step, and waits for the slowest; unless the hosts differ likewise, "
         "start equally many on each (mpirun --map-by ppr:N:node, srun --ntasks-per-node)";
}

std::string oversubscription(std::span<const RankPlace> places) {
  std::string text;
  std::size_t machines = 0;
  for (const std::vector<const RankPlace*>& ranks : by_machine(places)) {
    const int threads = total(ranks, &ThreadCounts::compute);
    const auto cores = static_cast<int>(merged_numbers(ranks, &RankPlace::cores).size());
    const bool one_has_too_many = std::any_of(ranks.begin(), ranks.end(), [](const RankPlace* rank) {
      const std::size_t own = parse_ranges(rank->cores).size();
      return own > 0 && static_cast<std::size_t>(rank->threads.compute) > own;
    });
    if (cores == 0 || (threads <= cores && !one_has_too_many)) continue;
    if (++machines > 1) continue;
    text = "more compute threads than cores: " + std::to_string(ranks.size()) +
           (ranks.size() == 1 ? " rank" : " ranks") + " of host " + one_line(ranks.front()->host) + " with " +
           std::to_string(threads) + " compute threads on " + std::to_string(cores) + (cores == 1 ? " core" : " cores");
    if (threads <= cores) text += ", one of them with more than the cores it is bound to";
  }
  if (machines > 1) text += ", and " + std::to_string(machines - 1) + " more such hosts";
  if (machines > 0) text += ": lower runtime.threads (0 shares the cores out), or start fewer ranks a host";
  return text;
}

}  // namespace msn
