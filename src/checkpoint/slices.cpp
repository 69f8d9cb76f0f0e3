// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/slices.hpp"

#include <cstdio>
#include <numeric>

namespace msn {

std::vector<Slice> cut_into_slices(std::span<const std::uint64_t> sizes, int writers) {
  const std::uint64_t total = std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{0});
  std::vector<Slice> slices;
  std::uint64_t before = 0, last_owner = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    // A tensor goes to the writer that its middle byte falls to.
    const std::uint64_t middle = before + sizes[i] / 2;
    const auto owner =
        static_cast<std::uint64_t>(static_cast<double>(middle) / static_cast<double>(total + 1) * writers);
    if (slices.empty() || owner != last_owner) slices.push_back({i, i, {}, 0});
    slices.back().end = i + 1;
    slices.back().bytes += sizes[i];
    last_owner = owner;
    before += sizes[i];
  }
  for (std::size_t w = 0; w < slices.size(); ++w) {
    char name[64];
    std::snprintf(name, sizeof name, "state-%05zu-of-%05zu.h5", w, slices.size());
    slices[w].file = name;
  }
  return slices;
}

}  // namespace msn
