// SPDX-License-Identifier: Apache-2.0
// Which rank holds the others up. In a synchronous step all ranks take the same time by the clock; the slow one is the
// one that waits least. So a rank's own time counts: data, forward, backward, reduce and update without what it waited
// for others.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "comm/sections.hpp"
#include "comm/world.hpp"

namespace msn {

/// A rank's times as they travel with the metrics: seconds of its own in each section, then seconds inside waits of the
/// sections of a step.
inline constexpr std::size_t kRankTimes = kSections + 1;
std::array<double, kRankTimes> rank_times(const SectionTimes& times);

struct Spread {
  double min = 0;
  double median = 0;  ///< Of an even number of ranks the mean of the middle two.
  double max = 0;
};

/// Means over some steps, in seconds a step.
struct StragglerReport {
  std::size_t steps = 0;
  Spread data;      ///< Over ranks: waiting for data and preparing it.
  Spread compute;   ///< forward, backward, reduce and update, outside waits.
  Spread waiting;   ///< Inside waits for other ranks.
  int slowest = 0;  ///< The rank with the most time of its own.
  std::string host;
  Section section = Section::data;  ///< Where it is furthest behind.
  double behind = 0;                ///< Its own time beyond the median rank's.
};

/// One line for people.
std::string to_text(const StragglerReport& report);

class Stragglers {
 public:
  /// One host a rank.
  explicit Stragglers(std::vector<std::string> hosts);

  /// Adds a step: rank_times() of every rank, in rank order.
  void add(std::span<const double> times);

  /// About the steps since the last call; at least one was added.
  StragglerReport take();

 private:
  std::vector<std::string> hosts_;
  std::vector<double> sums_;
  std::size_t steps_ = 0;
};

}  // namespace msn
