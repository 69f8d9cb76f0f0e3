// SPDX-License-Identifier: Apache-2.0
#include "report/panels.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <string_view>

#include "report/panel_table.hpp"

namespace msn {
namespace {

/// Series of which zeros all along say nothing worth a chart.
bool is_mostly_zero(std::string_view key) {
  return key == "skipped" || key == "bad_samples";
}

const std::vector<double>* values_of(const RunRecord& run, std::string_view key) {
  const auto found = run.metrics.series.find(std::string(key));
  return found == run.metrics.series.end() ? nullptr : &found->second;
}

bool is_drawn(const RunRecord& run, std::string_view key, bool zeros_too) {
  const auto* values = values_of(run, key);
  return values != nullptr && std::any_of(values->begin(), values->end(), [&](double value) {
           return std::isfinite(value) && (zeros_too || value != 0);
         });
}

std::optional<double> newest(const std::vector<double>& values) {
  const auto last = std::find_if(values.rbegin(), values.rend(), [](double value) { return std::isfinite(value); });
  return last == values.rend() ? std::nullopt : std::optional(*last);
}

/// Adds the line of a run's series to a chart, if it has one.
void add_line(Chart& chart, const RunRecord& run, std::string_view key, std::string name, std::size_t style,
              std::size_t points) {
  if (!is_drawn(run, key, true)) return;
  const std::vector<double>& values = *values_of(run, key);
  chart.lines.push_back({std::move(name), style, thin(run.metrics.steps, values, points), newest(values)});
  const auto not_finite = run.metrics.not_finite.find(std::string(key));
  if (not_finite != run.metrics.not_finite.end()) chart.not_finite += not_finite->second;
}

/// A value of the configuration that the lines of a chart are to be compared with, if the runs agree on it.
void add_reference(Chart& chart, std::span<const RunRecord> runs, std::string_view key, const char* name,
                   double (*value_of)(double)) {
  const auto number = runs.front().number(key);
  if (!number || *number <= 0) return;
  for (const RunRecord& run : runs) {
    if (run.number(key) != number) return;
  }
  chart.references.push_back({name, value_of(*number)});
}

void add_references(Chart& chart, std::string_view key, std::span<const RunRecord> runs) {
  const auto itself = [](double value) { return value; };
  if (key == "grad_norm") add_reference(chart, runs, "optim.clip", "optim.clip", itself);
  if (key == "prototypes_used") add_reference(chart, runs, "model.prototypes", "all prototypes", itself);
  if (key == "feature_rank") add_reference(chart, runs, "model.head_out", "model.head_out", itself);
  if (key == "mean_entropy" || key == "entropy" || key == "loss" || key == "cross_entropy")
    add_reference(chart, runs, "model.prototypes", "log K", [](double value) { return std::log(value); });
}

/// Restarts, and where a run began to look collapsed.
void add_marks(Chart& chart, std::span<const RunRecord> runs, std::span<const std::string> names) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string whose = runs.size() > 1 ? names[i] + ": " : "";
    for (const LifeRecord& life : runs[i].lives) {
      if (&life == &runs[i].lives.front() && life.first_step == 0) continue;
      chart.marks.push_back(
          {whose + "life " + std::to_string(life.life) + " began after step " + std::to_string(life.first_step),
           static_cast<double>(life.first_step)});
    }
    if (const auto& collapsed = runs[i].metrics.collapsed; !collapsed.empty()) {
      chart.marks.push_back({whose + "looks collapsed from step " + std::to_string(collapsed.front()) + " on",
                             static_cast<double>(collapsed.front()), ChartMark::Kind::collapse});
    }
  }
}

/// "ranks.data_seconds.0" as "c-ranks-data_seconds-0"; what an id cannot have becomes "-".
std::string id_of(std::string_view key) {
  std::string id = "c-";
  for (const char c : key) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    id += plain ? c : '-';
  }
  return id;
}

/// The charts of a panel: one of one run, one for each series of several runs.
std::vector<Chart> charts_of(const Panel& panel, std::span<const RunRecord> runs, std::span<const std::string> names) {
  std::vector<Chart> charts;
  const std::size_t points = points_of_line(runs.size());
  const auto make = [&](std::string_view id, std::string_view title) {
    Chart chart;
    chart.id = id_of(id);
    chart.title = title;
    chart.says = panel.says;
    chart.unit = panel.unit;
    chart.scale = panel.scale;
    chart.cuts_peaks = panel.section == "speed" || panel.section == "ranks";
    return chart;
  };
  const auto finish = [&](Chart chart, std::string_view key) {
    if (chart.lines.empty()) return;
    add_references(chart, key, runs);
    add_marks(chart, runs, names);
    charts.push_back(std::move(chart));
  };
  const auto is_wanted = [&](std::string_view key) {
    return std::any_of(runs.begin(), runs.end(),
                       [&](const RunRecord& run) { return is_drawn(run, key, !is_mostly_zero(key)); });
  };
  if (runs.size() == 1) {
    Chart chart = make(panel.id, panel.title);
    std::size_t style = 0;
    for (const PanelSeries& series : panel.series) {
      if (is_wanted(series.key)) add_line(chart, runs.front(), series.key, std::string(series.name), style++, points);
    }
    finish(std::move(chart), panel.series.front().key);
    return charts;
  }
  for (const PanelSeries& series : panel.series) {
    if (!is_wanted(series.key)) continue;
    std::string title(panel.series.size() > 1 ? series.name : panel.title);
    if (title[0] >= 'a' && title[0] <= 'z') title[0] = static_cast<char>(title[0] - 'a' + 'A');
    Chart chart = make(series.key, title);
    for (std::size_t i = 0; i < runs.size(); ++i)
      add_line(chart, runs[i], series.key, names[i], i % kChartStyles, points);
    finish(std::move(chart), series.key);
  }
  return charts;
}

std::set<std::string> keys_without_panel(std::span<const RunRecord> runs) {
  std::set<std::string> keys;
  for (const RunRecord& run : runs) {
    for (const auto& [key, values] : run.metrics.series) {
      if (!is_bookkeeping(key) && is_drawn(run, key, false)) keys.insert(key);
    }
  }
  for (const Panel& panel : panels()) {
    for (const PanelSeries& series : panel.series)
      keys.erase(std::string(series.key));
  }
  return keys;
}

}  // namespace

std::size_t points_of_line(std::size_t runs) {
  constexpr std::size_t most = 400;
  return std::max<std::size_t>(most * 2 / std::max<std::size_t>(runs, 2), 80);
}

Axis common_steps(std::span<const RunRecord> runs) {
  std::uint64_t first = ~std::uint64_t{0};
  std::uint64_t last = 0;
  for (const RunRecord& run : runs) {
    if (run.metrics.steps.empty()) continue;
    first = std::min(first, run.metrics.steps.front());
    last = std::max(last, run.metrics.steps.back());
  }
  return first > last ? step_axis(0, 1) : step_axis(static_cast<double>(first), static_cast<double>(last));
}

std::vector<ChartSection> chart_sections(std::span<const RunRecord> runs, std::span<const std::string> names) {
  std::vector<ChartSection> sections;
  const std::set<std::string> rest = keys_without_panel(runs);
  for (const auto& [id, title] : panel_sections()) {
    ChartSection section{std::string(id), std::string(title), {}};
    const auto add = [&](const Panel& panel) {
      std::vector<Chart> charts = charts_of(panel, runs, names);
      section.charts.insert(section.charts.end(), std::make_move_iterator(charts.begin()),
                            std::make_move_iterator(charts.end()));
    };
    for (const Panel& panel : panels()) {
      if (panel.section == id) add(panel);
    }
    std::size_t others = 0;
    for (const std::string& key : rest) {
      if (id == (is_evaluation(key) ? "knn" : "other") && others++ < kMostOther)
        add({id, key, key, "", "A number of metrics.jsonl.", {{key, key}}});
    }
    if (!section.charts.empty()) sections.push_back(std::move(section));
  }
  return sections;
}

}  // namespace msn
