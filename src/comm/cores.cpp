// SPDX-License-Identifier: Apache-2.0
#include "comm/cores.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>

namespace msn {

namespace {

/// The number at the front of `text`, which loses it; nullopt if there is none.
std::optional<int> take_number(std::string_view& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

std::vector<int> cores_allowed_to_this_thread() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed) != 0) cores.push_back(cpu);
  }
  return cores;
}

int cores_of_this_rank(const World& world) {
  const std::vector<int> cores = cores_allowed_to_this_thread();
  if (cores.empty()) return 1;
  // Ranks of this host that may use the very same cores share them.
  const std::string mine = world.host() + " " + format_ranges(cores);
  const std::vector<std::string> all = world.gather(mine);
  const auto sharing = std::count(all.begin(), all.end(), mine);
  return std::max(1, static_cast<int>(cores.size()) / static_cast<int>(sharing));
}

std::vector<int> numa_nodes(std::span<const int> cores, const std::filesystem::path& nodes) {
  std::vector<int> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry(nodes, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string name = entry->path().filename().string();
    std::string_view number(name);
    if (!number.starts_with("node")) continue;
    number.remove_prefix(4);
    const std::optional<int> node = take_number(number);
    if (!node || !number.empty()) continue;
    std::string list;
    std::ifstream file(entry->path() / "cpulist");
    std::getline(file, list);
    const std::vector<int> here = parse_ranges(list);
    const auto is_here = [&](int core) { return std::binary_search(here.begin(), here.end(), core); };
    if (std::any_of(cores.begin(), cores.end(), is_here)) found.push_back(*node);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string format_ranges(std::span<const int> numbers) {
  std::string text;
  for (std::size_t first = 0; first < numbers.size();) {
    std::size_t last = first;
    while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1)
      ++last;
    if (!text.empty()) text += ",";
    text += std::to_string(numbers[first]);
    if (last > first) text += "-" + std::to_string(numbers[last]);
    first = last + 1;
  }
  return text;
}

std::vector<int> parse_ranges(std::string_view text) {
  constexpr std::size_t most = 1 << 20;  // A text of a few characters must not ask for much memory.
  std::vector<int> numbers;
  while (!text.empty()) {
    const std::optional<int> first = take_number(text);
    std::optional<int> last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      last = take_number(text);
    }
    const bool ends = text.empty() || (text.front() == ',' && text.size() > 1);
    if (!first || !last || *last < *first || !ends || static_cast<std::size_t>(*last - *first) >= most) return {};
    for (int number = *first; number <= *last; ++number)
      numbers.push_back(number);
    if (!text.empty()) text.remove_prefix(1);
  }
  return numbers;
}

}  // namespace msn
