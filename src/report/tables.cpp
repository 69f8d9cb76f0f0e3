// SPDX-License-Identifier: Apache-2.0
#include "report/tables.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/quantile.hpp"
#include "base/utc.hpp"
#include "config/config.hpp"
#include "report/html.hpp"
#include "report/panel_table.hpp"

namespace msn {

using html::escape;
using Clock = std::chrono::system_clock;

namespace {

constexpr std::size_t kRecent = 100;    // Steps that "now" is the mean of.
constexpr double kSilentSeconds = 120;  // status.json is written every ten seconds, or each step.
constexpr double kMuchDataWait = 10;    // Percent of a step.
constexpr std::size_t kMostHosts = 64;

using Columns = std::vector<std::string>;

std::string cell(const std::string& text) {
  return "<td>" + escape(text) + "</td>";
}

std::string heading(const Columns& columns) {
  std::string row = "<thead><tr>";
  for (const std::string& column : columns)
    row += "<th scope=\"col\">" + escape(column) + "</th>";
  return row + "</tr></thead>";
}

/// A table that scrolls by itself where the window is narrower. `rows` is HTML.
std::string table(const std::string& caption, const Columns& columns, const std::string& rows) {
  return "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" + escape(caption) +
         "\"><table><caption>" + escape(caption) + "</caption>" + heading(columns) + "<tbody>" + rows +
         "</tbody></table></div>\n";
}

std::string whole(std::uint64_t count) {
  return html::number(static_cast<double>(count), 15);
}
std::string whole(const std::optional<std::uint64_t>& count) {
  return count ? whole(*count) : "";
}

/// The last finite values of a series, at most kRecent; empty if it has none.
std::vector<double> recent(const RunRecord& run, const std::string& key) {
  const auto found = run.metrics.series.find(key);
  std::vector<double> values;
  if (found == run.metrics.series.end()) return values;
  for (auto value = found->second.rbegin(); value != found->second.rend() && values.size() < kRecent; ++value) {
    if (std::isfinite(*value)) values.push_back(*value);
  }
  return values;
}

std::optional<double> mean_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0;
  for (const double value : values)
    sum += value;
  return sum / static_cast<double>(values.size());
}

double total(const RunRecord& run, const std::string& key) {
  const auto found = run.metrics.series.find(key);
  double sum = 0;
  if (found == run.metrics.series.end()) return sum;
  for (const double value : found->second)
    sum += std::isfinite(value) ? value : 0;
  return sum;
}

std::string duration_text(double seconds) {
  const auto unit = [&](double size, const char* name) {
    return html::number(std::round(10 * seconds / size) / 10, 3) + name;
  };
  if (seconds < 120) return html::number(std::round(seconds), 3) + " s";
  if (seconds < 7200) return unit(60, " min");
  return seconds < 172800 ? unit(3600, " h") : unit(86400, " days");
}

std::optional<double> silent_seconds(const RunRecord& run, Clock::time_point now) {
  if (!run.status) return std::nullopt;
  const auto written = utc_time(run.status->time);
  if (!written) return std::nullopt;
  return std::max(0.0, std::chrono::duration<double>(now - *written).count());
}

bool is_at_work(const RunRecord& run) {
  return run.status && (run.status->state == "running" || run.status->state == "starting");
}

// ---- the summary's rows: what a run has to say of each ----

std::string state_text(const RunRecord& run, Clock::time_point now) {
  if (!run.status) return "unknown: it has no status.json";
  std::string text = run.status->state;
  if (is_at_work(run)) {
    if (const auto silent = silent_seconds(run, now))
      text += ", last heard of " + duration_text(*silent) + " before this report";
  } else if (!run.status->reason.empty()) {
    text += ": " + run.status->reason;
  }
  return text;
}

std::uint64_t last_step(const RunRecord& run) {
  return run.metrics.steps.empty() ? run.status ? run.status->step.value_or(0) : 0 : run.metrics.steps.back();
}

std::string step_text(const RunRecord& run) {
  const std::uint64_t step = last_step(run);
  std::string text = whole(step);
  if (run.status && run.status->total_steps && *run.status->total_steps > 0) {
    text += " of " + whole(*run.status->total_steps) + " (" +
            html::number(100.0 * static_cast<double>(step) / static_cast<double>(*run.status->total_steps), 3) + " %)";
  }
  return text;
}

std::string left_text(const RunRecord& run) {
  const std::vector<double> seconds = recent(run, "step_seconds");
  if (!is_at_work(run) || !run.status->total_steps || seconds.empty()) return "";
  const double steps = static_cast<double>(*run.status->total_steps) - static_cast<double>(last_step(run));
  return steps <= 0 ? "" : "about " + duration_text(steps * median(seconds));
}

std::string recent_text(const RunRecord& run, const char* key, const char* after = "") {
  const auto mean = mean_of(recent(run, key));
  return mean ? html::number(*mean) + after : "";
}

std::string newest_text(const RunRecord& run, const std::string& key) {
  const std::vector<double> values = recent(run, key);
  return values.empty() ? "" : html::number(values.front());
}

std::string prototypes_text(const RunRecord& run) {
  const std::string used = newest_text(run, "prototypes_used");
  const auto all = run.number("model.prototypes");
  return used.empty() || !all ? used : used + " of " + html::number(*all);
}

std::string lives_text(const RunRecord& run) {
  if (run.lives.empty()) return "";
  const std::uint64_t count = run.lives.back().life;
  return whole(std::max<std::uint64_t>(count, run.lives.size()));
}

std::string machine_text(const RunRecord& run) {
  if (run.lives.empty()) return "";
  const LifeRecord& life = run.lives.back();
  std::string text = whole(life.world_size) + (life.world_size == 1 ? " rank" : " ranks");
  if (!life.hosts.empty()) text += " on " + whole(life.hosts.size()) + (life.hosts.size() == 1 ? " host" : " hosts");
  return text + (life.backend.empty() ? "" : "; " + life.backend);
}

std::string model_text(const RunRecord& run) {
  const std::string_view arch = run.setting("model.arch");
  if (arch.empty()) return "";
  return std::string(arch) + ", patch " + std::string(run.setting("model.patch_size")) + ", width " +
         std::string(run.setting("model.width")) + ", depth " + std::string(run.setting("model.depth"));
}

std::string version_text(const RunRecord& run) {
  return run.lives.empty() ? "" : run.lives.back().version;
}

}  // namespace

std::string summary_table(std::span<const RunRecord> runs, std::span<const std::string> names, Clock::time_point now) {
  using Row = std::pair<const char*, std::function<std::string(const RunRecord&)>>;
  const Row rows[] = {
      {"state", [&](const RunRecord& run) { return state_text(run, now); }},
      {"step", step_text},
      {"time left", left_text},
      {"loss *", [](const RunRecord& run) { return recent_text(run, "loss"); }},
      {"images a second *", [](const RunRecord& run) { return recent_text(run, "images_per_second"); }},
      {"waiting for data *", [](const RunRecord& run) { return recent_text(run, "data_wait_share", " % of a step"); }},
      {"prototypes in use", prototypes_text},
      {"k-NN top-1", [](const RunRecord& run) { return newest_text(run, "evaluation.knn_top1"); }},
      {"newest checkpoint", [](const RunRecord& run) { return run.status ? run.status->checkpoint : ""; }},
      {"lives", lives_text},
      {"machine", machine_text},
      {"model", model_text},
      {"images a step", [](const RunRecord& run) { return std::string(run.setting("train.global_batch")); }},
      {"job", [](const RunRecord& run) { return run.status ? run.status->job : ""; }},
      {"version", version_text},
      {"folder", [](const RunRecord& run) { return run.path.string(); }},
  };
  std::string body;
  for (const auto& [name, text] : rows) {
    std::string row;
    bool any = false;
    for (const RunRecord& run : runs) {
      const std::string value = text(run);
      any = any || !value.empty();
      row += cell(value);
    }
    if (any) body += "<tr><th scope=\"row\">" + std::string(name) + "</th>" + row + "</tr>";
  }
  Columns columns{""};
  columns.insert(columns.end(), names.begin(), names.end());
  std::string out = table("How the runs stand", columns, body);
  if (body.find("*</th>") != std::string::npos)
    out += "<p class=\"small\">* mean of the last " + std::to_string(kRecent) + " steps</p>\n";
  return out;
}

std::string cautions_list(std::span<const RunRecord> runs, std::span<const std::string> names, Clock::time_point now) {
  std::string items;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunRecord& run = runs[i];
    const auto add = [&](const std::string& text) {
      items += "<li>" + (runs.size() > 1 ? "<b>" + escape(names[i]) + "</b>: " : "") + escape(text) + "</li>";
    };
    if (run.metrics.steps.empty()) add("no step is recorded yet, so there is nothing to draw");
    if (const auto silent = silent_seconds(run, now); is_at_work(run) && silent && *silent > kSilentSeconds) {
      add("nothing has been heard of the run for " + duration_text(*silent) +
          ": it may have been killed, or its clock or file system lags behind");
    }
    if (const MetricsTable& metrics = run.metrics; !metrics.collapsed.empty()) {
      std::string signs;
      for (const std::string& sign : metrics.collapse_signs)
        signs += (signs.empty() ? "" : ", ") + sign;
      const std::string from = whole(metrics.collapsed.front()), to = whole(metrics.collapsed.back());
      add("the run looks collapsed, " + (from == to ? "at step " + from : "from step " + from + " to " + to) + ", by " +
          signs);
    }
    std::size_t killed = 0;
    for (std::size_t life = 0; life < run.lives.size(); ++life)
      killed += !run.lives[life].ended && (life + 1 < run.lives.size() || (run.status && !is_at_work(run)));
    if (killed > 0) add(whole(killed) + (killed == 1 ? " life was" : " lives were") + " killed, or crashed");
    if (const auto wait = mean_of(recent(run, "data_wait_share")); wait && *wait > kMuchDataWait)
      add("steps wait for data for " + html::number(*wait, 3) +
          " % of their time: more data.workers, or smaller images");
    if (const double skipped = total(run, "skipped"); skipped > 0)
      add(html::number(skipped) + (skipped == 1 ? " step was" : " steps were") +
          " left out, for numbers were not finite");
    if (const double bad = total(run, "bad_samples"); bad > 0)
      add(html::number(bad) + (bad == 1 ? " image was" : " images were") + " bad and replaced");
    if (run.more_warnings + run.warnings.size() > 0)
      add("the log has " + whole(run.more_warnings + run.warnings.size()) + " warnings and errors, see below");
    for (const std::string& note : run.notes)
      add(note);
  }
  return items.empty() ? "" : "<ul class=\"cautions\">" + items + "</ul>\n";
}

std::string last_values_table(std::span<const RunRecord> runs, std::span<const std::string> names) {
  std::map<std::string, std::string> keys;  // Series of any run, by key, with their names.
  for (const RunRecord& run : runs) {
    for (const auto& [key, values] : run.metrics.series) {
      if (!is_bookkeeping(key)) keys.emplace(key, series_name(key));
    }
  }
  if (keys.empty()) return "";
  std::string body;
  for (const auto& [key, name] : keys) {
    body += "<tr><th scope=\"row\">" + escape(name) + "</th>";
    for (const RunRecord& run : runs) {
      const std::vector<double> values = recent(run, key);
      body += "<td>" + (values.empty() ? "" : html::number(values.front())) + "</td>";
      if (runs.size() > 1) continue;
      double low = INFINITY;
      double high = -INFINITY;
      for (const double value : run.metrics.series.at(key)) {
        if (std::isfinite(value)) low = std::min(low, value), high = std::max(high, value);
      }
      body += "<td>" + (values.empty() ? "" : html::number(*mean_of(values))) + "</td><td>" + html::number(low) +
              "</td><td>" + html::number(high) + "</td>";
    }
    body += "</tr>";
  }
  Columns columns{"series"};
  if (runs.size() == 1) {
    columns.insert(columns.end(), {"newest", "mean of the last " + std::to_string(kRecent), "smallest", "largest"});
  } else {
    columns.insert(columns.end(), names.begin(), names.end());
  }
  return table("Newest values", columns, body);
}

std::string settings_tables(std::span<const RunRecord> runs, std::span<const std::string> names) {
  const std::vector<Setting> defaults = read_settings(to_toml(Config{}), "defaults");
  std::vector<std::string> keys;  // Of all runs, in the order of the first that has them.
  for (const RunRecord& run : runs) {
    for (const Setting& setting : run.settings) {
      if (std::find(keys.begin(), keys.end(), setting.key) == keys.end()) keys.push_back(setting.key);
    }
  }
  if (keys.empty()) return "<p>No configuration is known.</p>\n";
  std::string special;
  std::string rest;
  std::size_t count = 0;
  for (const std::string& key : keys) {
    const auto standard =
        std::find_if(defaults.begin(), defaults.end(), [&](const Setting& one) { return one.key == key; });
    const std::string normal = standard == defaults.end() ? "" : standard->value;
    bool differs = false;
    for (const RunRecord& run : runs)
      differs =
          differs || run.setting(key) != (runs.size() == 1 ? std::string_view(normal) : runs.front().setting(key));
    std::string row = "<tr><th scope=\"row\">" + escape(key) + "</th>";
    for (const RunRecord& run : runs) {
      const std::string value = escape(run.setting(key));
      const bool marked = differs && runs.size() > 1;
      row += marked ? "<td><mark>" + (value.empty() ? "(none)" : value) + "</mark></td>" : "<td>" + value + "</td>";
    }
    if (runs.size() == 1 && differs) row += "<td>" + escape(normal) + "</td>";
    (differs ? special : rest) += row + "</tr>";
    count += !differs;
  }
  Columns columns{"setting"};
  columns.insert(columns.end(), names.begin(), names.end());
  Columns special_columns = columns;
  if (runs.size() == 1) special_columns.push_back("default");
  const char* caption = runs.size() == 1 ? "Settings other than the defaults" : "Settings that differ";
  const char* none = runs.size() == 1 ? "All settings have their defaults." : "All settings are the same.";
  const std::string first =
      special.empty() ? "<p>" + std::string(none) + "</p>\n" : table(caption, special_columns, special);
  if (rest.empty()) return first;
  return first + "<details><summary>The other " + whole(count) + " settings</summary>" +
         table("Other settings", columns, rest) + "</details>\n";
}

std::string lives_table(const RunRecord& run) {
  if (run.lives.empty()) return "<p>No life is recorded.</p>\n";
  std::string body;
  for (const LifeRecord& life : run.lives) {
    const bool goes_on = !life.ended && &life == &run.lives.back() && (!run.status || is_at_work(run));
    std::string end = life.ended ? "exit " + whole(life.exit_code) : goes_on ? "no end yet" : "killed or crashed";
    if (!life.ended_at.empty()) end += ", " + life.ended_at;
    if (!life.reason.empty()) end += ": " + life.reason;
    std::string size = whole(life.world_size);
    if (life.threads) size += " x " + whole(life.threads);
    body += "<tr><th scope=\"row\">" + whole(life.life) + "</th>" + cell(life.started) + cell(whole(life.first_step)) +
            cell(whole(life.saved)) + cell(end) + cell(size) + cell(life.backend) + cell(life.processor) +
            cell(life.version) + cell(life.torch) + "</tr>";
  }
  return table("Lives",
               {"life", "began", "after step", "last checkpoint", "end", "ranks x threads", "backend", "processor",
                "msn", "LibTorch"},
               body);
}

std::string hosts_table(const RunRecord& run) {
  const auto life =
      std::find_if(run.lives.rbegin(), run.lives.rend(), [](const LifeRecord& one) { return !one.hosts.empty(); });
  if (life == run.lives.rend()) return "";
  std::string body;
  std::size_t shown = 0;
  for (const HostRecord& host : life->hosts) {
    if (++shown > kMostHosts) break;
    body += "<tr><th scope=\"row\">" + escape(host.host) + "</th>" + cell(host.first_and_last) + cell(host.devices) +
            cell(host.cores) + cell(host.numa) + cell(host.threads) + "</tr>";
  }
  std::string more;
  if (life->hosts.size() > kMostHosts)
    more = "<p class=\"small\">and " + whole(life->hosts.size() - kMostHosts) + " more hosts</p>\n";
  return table("Hosts of life " + whole(life->life),
               {"host", "ranks", "device", "cores", "NUMA nodes", "threads of a rank"}, body) +
         more;
}

std::string warnings_list(const RunRecord& run) {
  if (run.warnings.empty()) return "";
  std::string items;
  for (const std::string& line : run.warnings)
    items += "<li>" + escape(line) + "</li>";
  const std::string before =
      run.more_warnings > 0 ? " (the last of " + whole(run.more_warnings + run.warnings.size()) + ")" : "";
  return "<details><summary>Warnings and errors of the log" + before + "</summary><ul class=\"log\">" + items +
         "</ul></details>\n";
}

}  // namespace msn
