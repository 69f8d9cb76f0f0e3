// SPDX-License-Identifier: Apache-2.0
#include "base/byte_size.hpp"

#include <charconv>
#include <cstdio>
#include <map>
#include <string>
#include <system_error>

#include "base/error.hpp"

namespace msn {

std::uint64_t parse_size(std::string_view text) {
  static const std::map<std::string_view, std::uint64_t> units{{"", 1},
                                                               {"B", 1},
                                                               {"KiB", std::uint64_t{1} << 10},
                                                               {"MiB", std::uint64_t{1} << 20},
                                                               {"GiB", std::uint64_t{1} << 30},
                                                               {"TiB", std::uint64_t{1} << 40},
                                                               {"kB", 1000},
                                                               {"MB", 1000000},
                                                               {"GB", 1000000000},
                                                               {"TB", 1000000000000}};
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = units.find(std::string_view(end, static_cast<std::size_t>(text.data() + text.size() - end)));
  if (error != std::errc{} || unit == units.end() || number == 0 || number > (~std::uint64_t{0} >> 1) / unit->second) {
    throw usage_error("\"" + std::string(text) + "\" is no size", "", "write for instance 1GiB or 500MB");
  }
  return number * unit->second;
}

std::string gib_text(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

}  // namespace msn
