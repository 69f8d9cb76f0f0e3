// SPDX-License-Identifier: Apache-2.0
// What is known of the series of metrics.jsonl: their names for people, and the charts that show them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "report/axis.hpp"

namespace msn {

struct PanelSeries {
  std::string_view key;
  std::string_view name;
};

/// A chart of one run; of several runs each of its series is one.
struct Panel {
  std::string_view section;
  std::string_view id;
  std::string_view title;
  std::string_view unit;
  std::string_view says;
  std::vector<PanelSeries> series;
  Scale scale = Scale::linear;
};

/// Id and title of the sections of a report, in order. Series without a panel go to "knn" if they are evaluations, else
/// to "other".
std::span<const std::pair<std::string_view, std::string_view>> panel_sections();

/// All panels, those of a section in order.
std::span<const Panel> panels();

/// Whether a number of metrics.jsonl is no series: it counts steps, or names a rank.
bool is_bookkeeping(const std::string& key);

/// Whether a series without a panel tells of an evaluation.
bool is_evaluation(const std::string& key);

/// The name that people know a series by; its key if it is not one of ours.
std::string series_name(const std::string& key);

}  // namespace msn
