// SPDX-License-Identifier: Apache-2.0
#include "report/thin.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace msn {

ThinSeries thin(std::span<const std::uint64_t> steps, std::span<const double> values, std::size_t most) {
  MSN_CHECK(steps.size() == values.size() && most >= 1);
  ThinSeries series;
  std::vector<std::size_t> finite;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) finite.push_back(i);
  }
  if (finite.empty()) return series;
  const std::uint64_t first = steps[finite.front()];
  if (finite.size() > most) series.bucket = (steps[finite.back()] - first) / most + 1;

  for (std::size_t begin = 0; begin < finite.size();) {
    const std::uint64_t bucket = (steps[finite[begin]] - first) / series.bucket;
    ThinPoint point{0, 0, values[finite[begin]], values[finite[begin]]};
    std::size_t end = begin;
    for (; end < finite.size() && (steps[finite[end]] - first) / series.bucket == bucket; ++end) {
      const double value = values[finite[end]];
      // Means that move by shares: sums of large steps or values would lose digits, or overflow.
      const double share = 1.0 / static_cast<double>(end - begin + 1);
      point.step += (static_cast<double>(steps[finite[end]]) - point.step) * share;
      point.mean += value * share - point.mean * share;
      point.low = std::min(point.low, value);
      point.high = std::max(point.high, value);
    }
    series.points.push_back(point);
    begin = end;
  }
  return series;
}

}  // namespace msn
