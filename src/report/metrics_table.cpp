// SPDX-License-Identifier: Apache-2.0
#include "report/metrics_table.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/files.hpp"

namespace msn {
namespace {

using nlohmann::json;

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kMostDepth = 4;  ///< Objects and lists within one another; deeper numbers are no series.
constexpr std::size_t kLongestLine = std::size_t{1} << 20;
constexpr std::size_t kLongestName = 100;

/// The numbers of one line with their names.
struct LineNumbers {
  struct Number {
    std::string name;
    double value;
    bool is_null;
  };
  std::optional<std::uint64_t> step;
  std::vector<Number> numbers;
  std::vector<std::string> collapse_signs;
};

/// Collects LineNumbers while the parser reads, without a tree in between.
class Collector final : public json::json_sax_t {
 public:
  explicit Collector(LineNumbers& line) : line_(line) {}

  bool null() override { return add(kMissing, true); }
  bool boolean(bool value) override { return add(value ? 1.0 : 0.0, false); }
  bool number_integer(json::number_integer_t value) override { return add(static_cast<double>(value), false); }
  bool number_unsigned(json::number_unsigned_t value) override {
    if (levels_.size() == 1 && levels_[0].key == "step") line_.step = value;
    return add(static_cast<double>(value), false);
  }
  bool number_float(json::number_float_t value, const std::string&) override { return add(value, false); }
  bool string(std::string& text) override {
    if (levels_.size() == 2 && levels_[0].key == "collapse" && levels_[1].is_list && text.size() <= kLongestName)
      line_.collapse_signs.push_back(std::move(text));
    return passed();
  }
  bool binary(json::binary_t&) override { return passed(); }
  bool start_object(std::size_t) override { return enter(false); }
  bool start_array(std::size_t) override { return enter(true); }
  bool key(std::string& name) override {
    levels_.back().key = std::move(name);
    return true;
  }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  struct Level {
    bool is_list;
    std::string key;
    std::size_t index = 0;
  };

  /// The line itself must be an object; one that nests deeper than any of ours ends the parse.
  bool enter(bool is_list) {
    if (levels_.empty() ? is_list : levels_.size() >= kMostDepth) return false;
    levels_.push_back({is_list, {}});
    return true;
  }
  bool leave() {
    levels_.pop_back();
    return levels_.empty() || passed();
  }
  bool passed() {
    if (levels_.empty()) return false;
    ++levels_.back().index;
    return true;
  }
  bool add(double value, bool is_null) {
    if (levels_.empty()) return false;
    std::string name;
    for (const Level& level : levels_) {
      if (!name.empty()) name += '.';
      name += level.is_list ? std::to_string(level.index) : level.key;
    }
    if (!name.empty() && name != "step" && name.size() <= kLongestName)
      line_.numbers.push_back({std::move(name), value, is_null});
    return passed();
  }

  LineNumbers& line_;
  std::vector<Level> levels_;
};

void drop_rows_from(MetricsTable& table, std::uint64_t step) {
  const auto first = std::lower_bound(table.steps.begin(), table.steps.end(), step);
  const auto kept = static_cast<std::size_t>(first - table.steps.begin());
  table.replaced += table.steps.size() - kept;
  table.steps.resize(kept);
  for (auto& [name, values] : table.series)
    values.resize(std::min(values.size(), kept));
  while (!table.collapsed.empty() && table.collapsed.back() >= step)
    table.collapsed.pop_back();
}

/// Columns grow when they get a number; pad() makes them all as long as the steps.
void add_row(MetricsTable& table, const LineNumbers& line) {
  if (!table.steps.empty() && *line.step <= table.steps.back()) drop_rows_from(table, *line.step);
  const std::size_t row = table.steps.size();
  table.steps.push_back(*line.step);
  if (!line.collapse_signs.empty()) table.collapsed.push_back(*line.step);
  for (const std::string& sign : line.collapse_signs) {
    if (table.collapse_signs.size() < kMostSeries) table.collapse_signs.insert(sign);
  }
  for (const LineNumbers::Number& number : line.numbers) {
    auto found = table.series.find(number.name);
    if (found == table.series.end()) {
      if (table.series.size() >= kMostSeries) {
        ++table.left_out;
        continue;
      }
      found = table.series.emplace(number.name, std::vector<double>()).first;
    }
    found->second.resize(row, kMissing);
    found->second.push_back(number.value);
    if (number.is_null) ++table.not_finite[number.name];
  }
}

void add_line(MetricsTable& table, std::string_view text) {
  ++table.lines;
  LineNumbers line;
  Collector collector(line);
  if (text.size() <= kLongestLine && json::sax_parse(text.begin(), text.end(), &collector) && line.step) {
    add_row(table, line);
  } else if (table.damaged++ == 0) {
    table.first_damaged = table.lines;
  }
}

}  // namespace

MetricsTable read_metrics(const std::filesystem::path& path) {
  MetricsTable table;
  if (!std::filesystem::exists(path)) return table;
  const FileHandle file(path, O_RDONLY);
  const std::size_t size = file.size();  // What is appended meanwhile is left for the next report.
  std::string text;
  for (std::size_t at = 0; at < size;) {
    const std::size_t begin = text.size();
    const std::size_t count = std::min(kLongestLine, size - at);
    text.resize(begin + count);
    file.read_at(std::as_writable_bytes(std::span(text.data() + begin, count)), at);
    at += count;
    std::size_t line = 0;
    for (std::size_t end; (end = text.find('\n', std::max(line, begin))) != std::string::npos; line = end + 1)
      add_line(table, std::string_view(text).substr(line, end - line));
    text.erase(0, line);
    // Of a line that never ends no more is kept than tells that it is too long.
    if (text.size() > kLongestLine) text.resize(kLongestLine + 1);
  }
  table.unfinished_end = !text.empty();
  for (auto& [name, values] : table.series)
    values.resize(table.steps.size(), kMissing);
  return table;
}

}  // namespace msn
