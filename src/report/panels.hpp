// SPDX-License-Identifier: Apache-2.0
// Which charts a report has of the series of its runs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/chart.hpp"
#include "report/run_record.hpp"

namespace msn {

struct ChartSection {
  std::string id;
  std::string title;
  std::vector<Chart> charts;
};

/// The charts of `runs` (at least one), in sections, those without a chart left out. Of one run series of a kind share
/// a chart; of several runs each chart has one series with a line for each run, named by `names`. Every number of
/// metrics.jsonl that no chart of ours shows, and that is not the same zero all along, gets one under "other", up to
/// kMostOther.
std::vector<ChartSection> chart_sections(std::span<const RunRecord> runs, std::span<const std::string> names);

inline constexpr std::size_t kMostOther = 24;

/// The axis from the first to the last step of all runs; from 0 to 1 if there is none.
Axis common_steps(std::span<const RunRecord> runs);

/// Points of a line, so that a page of so many runs stays small.
std::size_t points_of_line(std::size_t runs);

}  // namespace msn
