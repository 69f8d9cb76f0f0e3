// SPDX-License-Identifier: Apache-2.0
// Numbers that describe a data set.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace msn {

/// How many images fall between two bounds.
struct Bin {
  std::string name;  ///< The bounds, for people.
  std::uint64_t images = 0;
};

/// Short sides by powers of two and their halfway points (32, 48, 64, 96, ...), from the first bin with an image to the
/// last.
std::vector<Bin> short_side_histogram(const DataSet& set);

/// Width to height, from tall to wide, in nine fixed bins with the usual shapes (2:3, 3:4, 1:1, 4:3, 3:2) well inside.
std::vector<Bin> aspect_histogram(const DataSet& set);

/// Of one channel in [0, 1], over all pixels of all images looked at; the deviation is that of the whole population.
struct ChannelStatistics {
  std::array<double, 3> mean{};
  std::array<double, 3> std{};
  std::uint64_t images = 0;
  std::uint64_t pixels = 0;
};

struct StatisticsOptions {
  std::uint64_t sample = 0;  ///< Images to look at, evenly spaced; 0 or at least as many as there are: all.
  int workers = 1;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;  ///< One call at a time; may be empty.
};

/// Decodes images and counts how often each level occurs: whole numbers, so that the result does not depend on the
/// number of workers. Throws data_error for a damaged image.
ChannelStatistics channel_statistics(const DataSet& set, const StatisticsOptions& options);

}  // namespace msn
