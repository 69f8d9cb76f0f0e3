// SPDX-License-Identifier: Apache-2.0
#include "data/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "data/read_image.hpp"
#include "data/workers.hpp"

namespace msn {

namespace {

/// counts[channel][level]: pixels.
using LevelCounts = std::array<std::array<std::uint64_t, 256>, 3>;

LevelCounts count_levels(const Image& image) {
  LevelCounts counts{};
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    for (std::size_t c = 0; c < 3; ++c)
      ++counts[c][image.rgb[i + c]];
  }
  return counts;
}

template <class Function>
void for_each_size(const DataSet& set, Function function) {
  for (const Shard& shard : set.shards()) {
    for (std::size_t i = 0; i < shard.count(); ++i)
      function(shard.width(i), shard.height(i));
  }
}

/// Lower bound of the bin of `side`: the largest 2^k or 3 * 2^k not above it.
int bin_start(int side) {
  int start = 1;
  while (2 * start <= side)
    start *= 2;
  return start >= 2 && start + start / 2 <= side ? start + start / 2 : start;
}

/// Lower bound of the next bin: 1, 2, 3, 4, 6, 8, 12, ...
int next_start(int start) {
  const bool is_power_of_two = (start & (start - 1)) == 0;
  if (start == 1) return 2;
  return is_power_of_two ? start + start / 2 : start / 3 * 4;
}

/// A bound of the aspect bins, as a ratio of whole numbers: no rounding decides.
struct Ratio {
  std::int64_t width, height;
};
constexpr std::array<Ratio, 8> aspect_bounds{{{2, 5}, {3, 5}, {5, 7}, {9, 10}, {10, 9}, {7, 5}, {5, 3}, {5, 2}}};

std::string text_of(const Ratio& ratio) {
  return std::to_string(ratio.width) + ":" + std::to_string(ratio.height);
}

std::string aspect_name(std::size_t bin) {
  if (bin == 0) return "below " + text_of(aspect_bounds.front());
  if (bin == aspect_bounds.size()) return text_of(aspect_bounds.back()) + " and above";
  return text_of(aspect_bounds[bin - 1]) + " to " + text_of(aspect_bounds[bin]);
}

}  // namespace

std::vector<Bin> short_side_histogram(const DataSet& set) {
  int least = 65535, greatest = 1;
  for_each_size(set, [&](int width, int height) {
    least = std::min(least, std::min(width, height));
    greatest = std::max(greatest, std::min(width, height));
  });
  std::vector<int> starts;
  std::vector<Bin> bins;
  for (int start = bin_start(std::max(1, least)); start <= greatest; start = next_start(start)) {
    const int last = next_start(start) - 1;
    starts.push_back(start);
    bins.push_back({std::to_string(start) + (last > start ? "-" + std::to_string(last) : ""), 0});
  }
  for_each_size(set, [&](int width, int height) {
    const auto after = std::upper_bound(starts.begin() + 1, starts.end(), std::min(width, height));
    ++bins[static_cast<std::size_t>(after - starts.begin()) - 1].images;
  });
  return bins;
}

std::vector<Bin> aspect_histogram(const DataSet& set) {
  std::vector<Bin> bins;
  for (std::size_t bin = 0; bin <= aspect_bounds.size(); ++bin)
    bins.push_back({aspect_name(bin), 0});
  for_each_size(set, [&](std::int64_t width, std::int64_t height) {
    const auto above = std::find_if(aspect_bounds.begin(), aspect_bounds.end(),
                                    [&](const Ratio& bound) { return width * bound.height < bound.width * height; });
    ++bins[static_cast<std::size_t>(above - aspect_bounds.begin())].images;
  });
  return bins;
}

ChannelStatistics channel_statistics(const DataSet& set, const StatisticsOptions& options) {
  ChannelStatistics out;
  out.images = options.sample == 0 ? set.count() : std::min(options.sample, set.count());
  std::mutex mutex;
  LevelCounts counts{};
  std::uint64_t done = 0;
  for_each_parallel(out.images, options.workers, [&](std::size_t i) {
    const LevelCounts one = count_levels(read_image(set, i * set.count() / out.images));
    const std::lock_guard guard(mutex);
    for (std::size_t c = 0; c < 3; ++c)
      std::transform(counts[c].begin(), counts[c].end(), one[c].begin(), counts[c].begin(), std::plus<>());
    ++done;
    if (options.progress) options.progress(done, out.images);
  });
  for (const std::uint64_t count : counts[0])
    out.pixels += count;
  const auto pixels = static_cast<double>(out.pixels);
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0;
    for (std::size_t level = 0; level < 256; ++level)
      sum += static_cast<double>(level) * static_cast<double>(counts[c][level]);
    const double mean = sum / pixels;
    double squares = 0;
    for (std::size_t level = 0; level < 256; ++level) {
      const double distance = static_cast<double>(level) - mean;
      squares += distance * distance * static_cast<double>(counts[c][level]);
    }
    out.mean[c] = mean / 255;
    out.std[c] = std::sqrt(squares / pixels) / 255;
  }
  return out;
}

}  // namespace msn
