// SPDX-License-Identifier: Apache-2.0
#include "base/memory.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace msn {

namespace {

constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

/// The number behind `key` in a text of lines "key number ...".
std::optional<std::uint64_t> number_after(const std::filesystem::path& file, const std::string& key) {
  std::ifstream in(file);
  std::string word;
  std::uint64_t number = 0;
  for (std::string rest; in >> word; std::getline(in, rest)) {
    if (word == key && in >> number) return number;
  }
  return std::nullopt;
}

/// A file that holds one number; "max" and what is not there count as unlimited.
std::uint64_t number_in(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  return in >> number ? number : unlimited;
}

/// What one control group leaves. Cached files count as used, though the kernel gives them up first.
std::uint64_t left_in_group(const std::filesystem::path& group, const char* limit_name, const char* used_name,
                            const char* cached_key) {
  const std::uint64_t limit = number_in(group / limit_name);
  const std::uint64_t used = number_in(group / used_name);
  if (limit == unlimited || used == unlimited) return unlimited;
  const std::uint64_t cached = std::min(used, number_after(group / "memory.stat", cached_key).value_or(0));
  return limit > used - cached ? limit - (used - cached) : 0;
}

/// The least that the control groups of this process leave, from its own up to the root.
std::uint64_t left_in_groups() {
  std::uint64_t least = unlimited;
  std::ifstream in("/proc/self/cgroup");  // Lines of "number:controllers:path"; version 2 has no controllers.
  for (std::string line; std::getline(in, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool version_2 = controllers.empty();
    if (!version_2 && controllers != "memory") continue;
    const std::filesystem::path root = version_2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    std::filesystem::path below = std::filesystem::path(line.substr(second + 1)).relative_path();
    while (true) {
      least = std::min(least, version_2 ? left_in_group(root / below, "memory.max", "memory.current", "inactive_file")
                                        : left_in_group(root / below, "memory.limit_in_bytes", "memory.usage_in_bytes",
                                                        "total_inactive_file"));
      if (below.empty()) break;
      below = below.parent_path();
    }
  }
  return least;
}

}  // namespace

std::uint64_t available_memory() {
  const std::uint64_t kib = number_after("/proc/meminfo", "MemAvailable:").value_or(unlimited / 1024);
  return std::min(kib * 1024, left_in_groups());
}

std::uint64_t total_memory() {
  return 1024 * number_after("/proc/meminfo", "MemTotal:").value_or(0);
}

}  // namespace msn
