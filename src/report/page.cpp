// SPDX-License-Identifier: Apache-2.0
#include "report/page.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/utc.hpp"
#include "page_assets.hpp"
#include "report/html.hpp"
#include "report/panels.hpp"
#include "report/tables.hpp"

namespace msn {

using html::escape;

namespace {

/// The name by which a policy allows a script: base64 of the digest that the build took of it, in hexadecimal.
std::string script_source() {
  const std::string_view digest = assets::kScriptSha256;
  std::vector<std::byte> bytes;
  for (std::size_t at = 0; at + 2 <= digest.size(); at += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(digest.substr(at, 2)), nullptr, 16)));
  return "'sha256-" + html::base64(bytes) + "'";
}

std::string head(const std::string& title) {
  return "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"generator\" content=\"msn report\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
         "img-src "
         "data:; script-src " +
         script_source() +
         "; base-uri 'none'; form-action 'none'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
         escape(title) + "</title>\n<style>\n" + assets::kStyle + "</style>\n</head>\n";
}

struct Section {
  std::string id, title, content;
};

std::string of_each_run(std::span<const RunRecord> runs, std::span<const std::string> names,
                        std::string (*content_of)(const RunRecord&)) {
  std::string content;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string part = content_of(runs[i]);
    if (!part.empty() && runs.size() > 1) content += "<h3>" + escape(names[i]) + "</h3>\n";
    content += part;
  }
  return content;
}

std::string lives_hosts_warnings(const RunRecord& run) {
  return lives_table(run) + hosts_table(run) + warnings_list(run);
}

}  // namespace

std::vector<std::string> run_names(std::span<const RunRecord> runs) {
  std::vector<std::string> names;
  for (const RunRecord& run : runs) {
    const auto alike =
        std::count_if(runs.begin(), runs.end(), [&](const RunRecord& other) { return other.name == run.name; });
    names.push_back(alike > 1 || run.name.empty() ? run.path.string() : run.name);
  }
  return names;
}

ReportPage report_page(std::span<const RunRecord> runs, const ReportFacts& facts,
                       std::span<const RunPictures> pictures) {
  MSN_CHECK(!runs.empty() && runs.size() <= kMostRuns);
  MSN_CHECK(pictures.empty() || (pictures.size() == runs.size() && runs.size() <= kMostRunsWithPictures));
  const std::vector<std::string> names = run_names(runs);
  std::string title;
  for (const std::string& name : names)
    title += (title.empty() ? "" : ", ") + name;

  ReportPage page;
  std::vector<Section> sections;
  sections.push_back(
      {"summary", "Summary", summary_table(runs, names, facts.time) + cautions_list(runs, names, facts.time)});
  const Axis steps = common_steps(runs);
  for (const ChartSection& section : chart_sections(runs, names)) {
    std::string charts = "<div class=\"charts\">\n";
    for (const Chart& chart : section.charts)
      charts += chart_html(chart, steps);
    page.charts += section.charts.size();
    sections.push_back({section.id, section.title, charts + "</div>\n"});
  }
  if (!pictures.empty()) {
    std::string content;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (runs.size() > 1) content += "<h3>" + escape(names[i]) + "</h3>\n";
      content += pictures_html(pictures[i], kPictureBytes / runs.size());
    }
    sections.push_back({"pictures", "Pictures", std::move(content)});
  }
  if (std::string values = last_values_table(runs, names); !values.empty())
    sections.push_back({"values", "Newest values", std::move(values)});
  sections.push_back({"settings", "Settings", settings_tables(runs, names)});
  sections.push_back({"lives", "Lives and hosts", of_each_run(runs, names, lives_hosts_warnings)});

  std::string links;
  std::string body;
  for (const Section& section : sections) {
    links += "<a href=\"#" + section.id + "\">" + escape(section.title) + "</a> ";
    body += "<section id=\"" + section.id + "\">\n<h2>" + escape(section.title) + "</h2>\n" + section.content +
            "</section>\n";
  }
  page.html = head(title + " - msn report") + "<body>\n<header><h1>" + escape(title) + "</h1><p>Report of " +
              (runs.size() == 1 ? "a run" : std::to_string(runs.size()) + " runs") + ", made " + utc_text(facts.time) +
              " by msn " + escape(facts.version) + "</p></header>\n<nav aria-label=\"Sections\">" + links +
              "</nav>\n<main>\n" + body + "</main>\n<script>" + assets::kScript + "</script>\n</body>\n</html>\n";
  return page;
}

}  // namespace msn
