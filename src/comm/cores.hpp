// SPDX-License-Identifier: Apache-2.0
// Which cores this process may use, and where they lie.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/world.hpp"

namespace msn {

/// Numbers of the cores that the calling thread may run on, ascending. Empty where the system does not say.
std::vector<int> cores_allowed_to_this_thread();

/// Cores that this rank may use: those it is bound to, shared evenly with the ranks that are bound to the same ones. At
/// least 1. All ranks call.
int cores_of_this_rank(const World& world);

/// NUMA nodes that hold any of `cores`, ascending, as /sys says. Empty where the system has no such notion.
std::vector<int> numa_nodes(std::span<const int> cores,
                            const std::filesystem::path& nodes = "/sys/devices/system/node");

/// Ascending numbers as Linux writes them: "0-3,8". And back; a text that is no such list gives an empty vector.
std::string format_ranges(std::span<const int> numbers);
std::vector<int> parse_ranges(std::string_view text);

}  // namespace msn
