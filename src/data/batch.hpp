// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace msn {

/// A sample that could not be read or decoded, and the one whose pixels were taken instead.
struct BadSample {
  std::size_t place = 0;          ///< Index in the batch.
  std::uint64_t sample = 0;       ///< Its number in its data set.
  std::uint64_t replacement = 0;  ///< Of the same set.
  std::string where;              ///< The bad one by name, shard and number.
  std::string reason;
};

/// One rank's share of a step, ready for the network. View 0 is the target view, then the random anchor views, then the
/// focal ones.
struct Batch {
  std::uint64_t epoch = 0;
  std::uint64_t position = 0;  ///< Global position in the epoch of this rank's first sample.
  /// In order of position: the keys of all random draws, of one data set the numbers of the samples (Draw::key).
  std::vector<std::uint64_t> samples;
  std::vector<BadSample> bad;  ///< In order of place; one that was bad itself stands after what it replaced.
  /// views[v]: normalised pixels of all samples, float32, [samples][3][size][size], row-major.
  std::vector<std::vector<float>> views;
  std::vector<int> view_sizes;  ///< Pixels a side of each view.
  double wait_seconds = 0;      ///< How long the caller of next() waited for it.
};

}  // namespace msn
