// SPDX-License-Identifier: Apache-2.0
#include "train/stragglers.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <utility>

#include "base/error.hpp"
#include "base/quantile.hpp"

namespace msn {

namespace {

constexpr std::array kStepSections{Section::data, Section::forward, Section::backward, Section::reduce,
                                   Section::update};

std::size_t index_of(Section section) {
  return static_cast<std::size_t>(section);
}

Spread spread(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return {*least, median(values), *most};
}

}  // namespace

std::array<double, kRankTimes> rank_times(const SectionTimes& times) {
  std::array<double, kRankTimes> out{};
  std::copy(times.busy.begin(), times.busy.end(), out.begin());
  for (const Section section : kStepSections)
    out.back() += times.waiting[index_of(section)];
  return out;
}

std::string to_text(const StragglerReport& report) {
  char line[512];
  std::snprintf(line, sizeof line,
                "ranks, ms a step (min/median/max): data %.1f/%.1f/%.1f  compute %.1f/%.1f/%.1f  inside waits "
                "%.1f/%.1f/%.1f; slowest is rank %d (host %s): %.1f ms behind the median, most in %s",
                1e3 * report.data.min, 1e3 * report.data.median, 1e3 * report.data.max, 1e3 * report.compute.min,
                1e3 * report.compute.median, 1e3 * report.compute.max, 1e3 * report.waiting.min,
                1e3 * report.waiting.median, 1e3 * report.waiting.max, report.slowest, report.host.c_str(),
                1e3 * report.behind, to_string(report.section));
  return line;
}

Stragglers::Stragglers(std::vector<std::string> hosts)
    : hosts_(std::move(hosts)), sums_(hosts_.size() * kRankTimes, 0.0) {}

void Stragglers::add(std::span<const double> times) {
  MSN_CHECK(times.size() == sums_.size());
  std::transform(times.begin(), times.end(), sums_.begin(), sums_.begin(), std::plus<>());
  ++steps_;
}

StragglerReport Stragglers::take() {
  MSN_CHECK(steps_ > 0);
  const std::size_t ranks = hosts_.size();
  // A column of the table: what a rank's times give, for every rank.
  const auto column = [&](auto&& value) {
    std::vector<double> values(ranks);
    for (std::size_t r = 0; r < ranks; ++r)
      values[r] = value(&sums_[r * kRankTimes]) / static_cast<double>(steps_);
    return values;
  };
  const auto own = [&](Section section) {
    return column([&](const double* times) { return times[index_of(section)]; });
  };
  StragglerReport report;
  report.steps = steps_;
  const std::vector<double> data = own(Section::data);
  const std::vector<double> compute = column([](const double* times) {
    double sum = 0;
    for (const Section section : kStepSections)
      sum += section == Section::data ? 0.0 : times[index_of(section)];
    return sum;
  });
  std::vector<double> total(ranks);
  std::transform(data.begin(), data.end(), compute.begin(), total.begin(), std::plus<>());
  report.data = spread(data);
  report.compute = spread(compute);
  report.waiting = spread(column([](const double* times) { return times[kRankTimes - 1]; }));
  const auto slowest = static_cast<std::size_t>(std::max_element(total.begin(), total.end()) - total.begin());
  report.slowest = static_cast<int>(slowest);
  report.host = hosts_[slowest];
  report.behind = total[slowest] - spread(total).median;
  double furthest = -1;
  for (const Section section : kStepSections) {
    const std::vector<double> times = own(section);
    const double behind = times[slowest] - spread(times).median;
    if (behind > furthest) {
      furthest = behind;
      report.section = section;
    }
  }
  std::fill(sums_.begin(), sums_.end(), 0.0);
  steps_ = 0;
  return report;
}

}  // namespace msn
