// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace msn {

/// One rank's share of a step, ready for the network. View 0 is the target view, then the random anchor views, then the
/// focal ones.
struct Batch {
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;          ///< Global position in the epoch of this rank's first sample.
  std::vector<std::uint64_t> samples;  ///< Sample ids, in order of position.
  /// views[v]: normalised pixels of all samples, float32, [samples][3][size][size], row-major.
  std::vector<std::vector<float>> views;
  std::vector<int> view_sizes;  ///< Pixels a side of each view.
  double wait_seconds = 0;      ///< How long the caller of next() waited for it.
};

}  // namespace msn
