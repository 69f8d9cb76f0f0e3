// SPDX-License-Identifier: Apache-2.0
#include "train/metrics_csv.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/error.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// "/ranks/data_seconds/0" as "ranks.data_seconds.0".
std::string column_of(const std::string& pointer) {
  std::string name = pointer.substr(1);
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

/// Calls `use` with the values of each step, flat, by column. Never holds more than a line. Returns how many there are.
std::uint64_t for_each_step(const fs::path& file, const std::function<void(const Json& flat)>& use) {
  std::ifstream in(file, std::ios::binary);
  if (!in)
    throw system_error("cannot read the metrics", file.string(), errno, "name the folder of a run that has begun");
  std::uint64_t count = 0;
  std::string line;
  while (std::getline(in, line)) {
    if (in.eof()) break;  // Without its end: it is being written.
    ++count;
    const Json step = Json::parse(line, nullptr, false);
    if (!step.is_object() || !step.contains("step")) {
      throw data_error("line " + std::to_string(count) + " is not of a step", file.string(),
                       "remove the line, or restore the file from a copy");
    }
    Json flat = Json::object();
    const Json by_pointer = step.flatten();
    for (const auto& [pointer, value] : by_pointer.items())
      flat[column_of(pointer)] = value;
    use(flat);
  }
  return count;
}

std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted(1, '"');
  for (const char c : text)
    quoted.append(c == '"' ? 2 : 1, c);
  quoted += '"';
  return quoted;
}

std::string text_of(const Json& value) {
  if (value.is_null()) return "";  // Also what was an empty list.
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string joined(const std::vector<std::string>& fields) {
  std::string line;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    line += field(fields[i]);
  }
  line += '\n';
  return line;
}

}  // namespace

std::uint64_t write_metrics_csv(const fs::path& run, const fs::path& csv) {
  const fs::path metrics = run / "metrics.jsonl";
  std::vector<std::string> columns;
  std::unordered_set<std::string> known;
  const std::uint64_t steps = for_each_step(metrics, [&](const Json& flat) {
    for (const auto& [name, value] : flat.items()) {
      if (known.insert(name).second) columns.push_back(name);
    }
  });

  const fs::path beside = csv.string() + ".tmp";
  std::ofstream out(beside, std::ios::binary);
  out << joined(columns);
  std::uint64_t left = steps;  // A run in progress has more of them by now.
  for_each_step(metrics, [&](const Json& flat) {
    if (left == 0) return;
    --left;
    std::vector<std::string> fields(columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto found = flat.find(columns[i]);
      if (found != flat.end()) fields[i] = text_of(*found);
    }
    out << joined(fields);
  });
  out.close();
  std::error_code failed;
  if (out) fs::rename(beside, csv, failed);
  if (!out || failed) {
    std::error_code ignored;
    fs::remove(beside, ignored);
    throw data_error("cannot write the table", csv.string(), "name a file in a folder that is there and has room");
  }
  return steps;
}

}  // namespace msn
