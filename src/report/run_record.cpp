// SPDX-License-Identifier: Apache-2.0
#include "report/run_record.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"

namespace msn {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostJson = std::size_t{1} << 26;

const Json* member(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? nullptr : &*found;
}

std::string text(const Json& object, const char* name) {
  const Json* value = member(object, name);
  if (value == nullptr || value->is_null()) return {};
  return value->is_string() ? value->get<std::string>() : value->dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<std::uint64_t> whole(const Json& object, const char* name) {
  const Json* value = member(object, name);
  if (value == nullptr || !value->is_number_integer() || *value < 0) return std::nullopt;
  return value->get<std::uint64_t>();
}

void join(std::string& list, const std::string& item) {
  if (item.empty() || list == item) return;
  if (("; " + list + "; ").find("; " + item + "; ") != std::string::npos) return;
  list += (list.empty() ? "" : "; ") + item;
}

/// "2 compute, 1 loader" of the threads that a rank has.
std::string threads_text(const Json& rank) {
  std::string list;
  const Json* threads = member(rank, "threads");
  if (threads == nullptr) return list;
  for (const char* name : {"compute", "loader", "communication", "writer"}) {
    const std::uint64_t count = whole(*threads, name).value_or(0);
    if (count > 0) list += (list.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  }
  return list;
}

std::vector<HostRecord> read_hosts(const Json& life) {
  std::vector<HostRecord> hosts;
  std::vector<std::uint64_t> first;
  const Json* ranks = member(life, "ranks");
  if (ranks == nullptr || !ranks->is_array()) return hosts;
  for (const Json& rank : *ranks) {
    const std::string name = text(rank, "host");
    // Ranks of a host follow one another as a rule, so the search ends at once.
    std::size_t at = hosts.size();
    while (at > 0 && hosts[at - 1].host != name)
      --at;
    const std::uint64_t number = whole(rank, "rank").value_or(0);
    if (at == 0) {
      hosts.emplace_back().host = name;
      first.push_back(number);
      at = hosts.size();
    }
    HostRecord& host = hosts[at - 1];
    ++host.ranks;
    const std::uint64_t begin = first[at - 1];
    host.first_and_last = std::to_string(begin) + (host.ranks > 1 ? " to " + std::to_string(number) : "");
    const std::string pci = text(rank, "pci");
    join(host.devices, text(rank, "device") + (pci.empty() ? "" : " " + pci));
    join(host.cores, text(rank, "cores"));
    join(host.numa, text(rank, "numa"));
    join(host.threads, threads_text(rank));
  }
  return hosts;
}

LifeRecord read_life(const Json& json) {
  LifeRecord life;
  life.life = whole(json, "life").value_or(0);
  life.first_step = whole(json, "first_step").value_or(0);
  life.saved = whole(json, "saved");
  life.world_size = whole(json, "world_size");
  life.threads = whole(json, "threads");
  life.started = text(json, "started");
  life.version = text(json, "version");
  life.torch = text(json, "torch");
  life.backend = text(json, "backend");
  life.instruction_set = text(json, "instruction_set");
  life.processor = text(json, "processor");
  life.gemm = text(json, "gemm");
  life.hdf5 = text(json, "hdf5");
  if (const Json* end = member(json, "ended"); end != nullptr && end->is_object()) {
    life.ended = true;
    life.ended_at = text(*end, "time");
    life.reason = text(*end, "reason");
    life.exit_code = whole(*end, "exit");
  }
  life.hosts = read_hosts(json);
  return life;
}

StatusRecord read_status(const Json& json) {
  StatusRecord status;
  status.state = text(json, "state");
  status.step = whole(json, "step");
  status.total_steps = whole(json, "total_steps");
  status.checkpoint = text(json, "checkpoint");
  status.reason = text(json, "reason");
  status.exit_code = whole(json, "exit_code");
  status.world_size = whole(json, "world_size");
  status.host = text(json, "host");
  const std::string scheduler = text(json, "scheduler");
  status.job = scheduler.empty() ? text(json, "job") : scheduler + " " + text(json, "job");
  status.time = text(json, "time");
  return status;
}

/// Reads one file of the run if it is there; what is wrong with it becomes a note.
void read_part(RunRecord& record, const char* name, const std::function<void(const fs::path&)>& read) {
  const fs::path file = record.path / name;
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return;
  if (!fs::is_regular_file(file, ignored)) {
    record.notes.push_back(std::string(name) + " could not be read: it is not a file");
    return;
  }
  try {
    read(file);
  } catch (const Error& error) {
    record.notes.push_back(std::string(name) + " could not be read: " + error.problem());
  } catch (const Json::exception&) {
    record.notes.push_back(std::string(name) + " could not be read: it is not valid JSON");
  }
}

void read_warnings(RunRecord& record, const fs::path& file) {
  std::ifstream in(file);
  if (!in) throw data_error("no permission, or not a file", file.string());
  std::deque<std::string> last;
  for (std::string line; std::getline(in, line);) {
    // "2026-03-01 08:30:00 warning text" (base/log.cpp).
    const bool is_one =
        line.size() > 20 && (line.compare(20, 8, "warning ") == 0 || line.compare(20, 6, "error ") == 0);
    if (!is_one) continue;
    last.push_back(line.substr(0, 1000));
    if (last.size() <= kWarningsKept) continue;
    last.pop_front();
    ++record.more_warnings;
  }
  record.warnings.assign(last.begin(), last.end());
}

void note_of_metrics(RunRecord& record) {
  const MetricsTable& metrics = record.metrics;
  const auto lines = [](std::uint64_t count) { return std::to_string(count) + (count == 1 ? " line" : " lines"); };
  if (metrics.damaged > 0) {
    record.notes.push_back("left out of metrics.jsonl: " + lines(metrics.damaged) +
                           " that could not be read, the first of them line " + std::to_string(metrics.first_damaged));
  }
  if (metrics.unfinished_end) {
    record.notes.push_back(
        "the last line of metrics.jsonl has no end and is left out: it is being written, or a life was cut short "
        "there");
  }
  if (metrics.replaced > 0) {
    record.notes.push_back("left out of metrics.jsonl: " + lines(metrics.replaced) +
                           " of steps that a later life made anew");
  }
  if (metrics.left_out > 0) {
    record.notes.push_back("metrics.jsonl has more than " + std::to_string(kMostSeries) +
                           " different keys; the others are left out");
  }
}

void add_derived(RunRecord& record) {
  auto& series = record.metrics.series;
  const auto batch = record.number("train.global_batch");
  const auto speed = series.find("images_per_second");
  if (!batch || speed == series.end()) return;
  std::vector<double> seconds = speed->second;
  for (double& value : seconds)
    value = *batch / value;
  if (const auto wait = series.find("data_wait_seconds"); wait != series.end()) {
    std::vector<double> share = wait->second;
    for (std::size_t i = 0; i < share.size(); ++i)
      share[i] = 100 * share[i] / seconds[i];
    series["data_wait_share"] = std::move(share);
  }
  series["step_seconds"] = std::move(seconds);
}

}  // namespace

std::string_view RunRecord::setting(std::string_view key) const {
  const auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting& one) { return one.key == key; });
  return found == settings.end() ? std::string_view() : std::string_view(found->value);
}

std::optional<double> RunRecord::number(std::string_view key) const {
  const std::string_view value = setting(key);
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

RunRecord read_run(const fs::path& run) {
  std::error_code ignored;
  if (!fs::exists(run, ignored)) throw data_error("there is no such run", run.string(), "check the path");
  const auto has = [&](const char* name) { return fs::exists(run / name, ignored); };
  if (!has("metrics.jsonl") && !has("run.json") && !has("status.json") && !has("config.toml")) {
    throw data_error("not a run folder: it has neither metrics.jsonl, run.json, status.json nor config.toml",
                     run.string(), "give the folder that msn train --run was given");
  }
  RunRecord record;
  record.path = run;
  const fs::path plain = fs::absolute(run).lexically_normal();
  record.name = (plain.has_filename() ? plain : plain.parent_path()).filename().string();
  const auto read_json = [](const fs::path& file) { return parse_json(read_text(file, kMostJson), file.string(), ""); };
  read_part(record, "config.toml",
            [&](const fs::path& file) { record.settings = read_settings(read_text(file), file.string()); });
  read_part(record, "run.json", [&](const fs::path& file) {
    const Json json = read_json(file);
    record.seed = whole(json, "seed");
    record.data_fingerprint = text(json, "data_fingerprint");
    if (const Json* lives = member(json, "lives"); lives != nullptr && lives->is_array()) {
      for (const Json& life : *lives)
        record.lives.push_back(read_life(life));
    }
  });
  read_part(record, "status.json", [&](const fs::path& file) { record.status = read_status(read_json(file)); });
  read_part(record, "log.txt", [&](const fs::path& file) { read_warnings(record, file); });
  read_part(record, "metrics.jsonl", [&](const fs::path& file) { record.metrics = read_metrics(file); });
  note_of_metrics(record);
  add_derived(record);
  return record;
}

}  // namespace msn
