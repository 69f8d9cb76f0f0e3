// SPDX-License-Identifier: Apache-2.0
// A long series as few points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace msn {

/// What a bucket of neighbouring steps holds.
struct ThinPoint {
  double step = 0;  ///< Mean of the steps.
  double mean = 0;
  double low = 0;
  double high = 0;
};

struct ThinSeries {
  std::vector<ThinPoint> points;
  std::uint64_t bucket = 1;  ///< Steps that a point stands for; 1: every value is a point of its own.
};

/// The finite ones of `values` (one for each of the rising `steps`): each a point, if there are at most `most`; else
/// the steps from the first to the last such value are cut into at most `most` buckets of equal width, and each that
/// holds values gives a point with their mean, smallest and largest. `most` >= 1.
ThinSeries thin(std::span<const std::uint64_t> steps, std::span<const double> values, std::size_t most);

}  // namespace msn
