// SPDX-License-Identifier: Apache-2.0
#include "comm/flight_file.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/files.hpp"
#include "base/utc.hpp"
#include "comm/cores.hpp"

namespace msn {

namespace {

using Json = nlohmann::ordered_json;

double unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

const char* to_string(ProcessState state) {
  constexpr const char* names[] = {"running", "stopped", "traced", "ended", "unknown"};
  return names[static_cast<std::size_t>(state)];
}

ProcessState state_from(const std::string& name) {
  for (const ProcessState state :
       {ProcessState::running, ProcessState::stopped, ProcessState::traced, ProcessState::ended}) {
    if (name == to_string(state)) return state;
  }
  return ProcessState::unknown;
}

double rounded(double seconds) {
  return std::round(1e6 * seconds) / 1e6;
}

/// null where it has not happened.
Json before(std::int64_t moment, std::int64_t now) {
  return moment == 0 ? Json() : Json(rounded(1e-9 * static_cast<double>(now - moment)));
}

Json view_json(const RankView& view) {
  return {{"rank", view.rank},
          {"host", view.host},
          {"process", to_string(view.process)},
          {"section", msn::to_string(view.section)},
          {"seconds_in_section", rounded(view.seconds)},
          {"step", view.step},
          {"issued", {{"world", view.issued[0]}, {"tensors", view.issued[1]}}},
          {"finished", {{"world", view.finished[0]}, {"tensors", view.finished[1]}}}};
}

Json record_json(const CollectiveRecord& record, std::int64_t now) {
  return {{"channel", to_string(record.channel)},
          {"sequence", record.sequence},
          {"kind", to_string(record.kind)},
          {"what", record.what},
          {"bytes", record.bytes},
          {"step", record.step},
          {"issued_ago", before(record.issued, now)},
          {"started_ago", before(record.started, now)},
          {"finished_ago", before(record.finished, now)}};
}

template <class Enum>
Enum from_name(const std::string& name, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (name == msn::to_string(static_cast<Enum>(i))) return static_cast<Enum>(i);
  }
  return Enum{};
}

RankView view_from(const Json& json) {
  RankView view;
  view.known = true;
  view.rank = json.at("rank");
  view.host = json.at("host");
  view.process = state_from(json.at("process"));
  view.section = from_name<Section>(json.at("section"), kSections);
  view.seconds = json.at("seconds_in_section");
  view.step = json.at("step");
  view.issued = {json.at("issued").at("world"), json.at("issued").at("tensors")};
  view.finished = {json.at("finished").at("world"), json.at("finished").at("tensors")};
  return view;
}

}  // namespace

std::filesystem::path flight_file(const std::filesystem::path& folder, int rank) {
  char name[32];
  std::snprintf(name, sizeof name, "rank-%04d.json", rank);
  return folder / name;
}

std::string flight_text(const FlightFacts& facts) {
  const auto time = std::chrono::system_clock::now();
  const std::int64_t now = steady_nanoseconds();
  Json json = {{"reason", facts.reason}, {"time", utc_text(time)}, {"unix_time", unix_seconds(time)},
               {"life", facts.life},     {"ranks", facts.ranks},   {"pid", ::getpid()}};
  json.update(view_json(facts.self));
  const auto awaited = unfinished(facts.collectives);
  json["waits_for"] = awaited ? record_json(*awaited, now) : Json();
  json["cores"] = format_ranges(allowed_core_numbers());
  for (const ThreadFacts& thread : threads_of_this_process()) {
    json["threads"].push_back({{"id", thread.id},
                               {"name", thread.name},
                               {"state", std::string(1, thread.state)},
                               {"cpu_seconds", thread.cpu_seconds},
                               {"waits_in", thread.waits_in}});
  }
  for (const RankView& view : facts.neighbours)
    json["host_ranks"].push_back(view_json(view));
  for (std::size_t i = 0; i < facts.sections.size(); ++i) {
    const SectionVisit& visit = facts.sections[i];
    const std::int64_t end = i + 1 < facts.sections.size() ? facts.sections[i + 1].began : now;
    json["sections"].push_back({{"section", msn::to_string(visit.section)},
                                {"step", visit.step},
                                {"began_ago", before(visit.began, now)},
                                {"seconds", rounded(1e-9 * static_cast<double>(end - visit.began))}});
  }
  json["collectives"] = Json::array();
  for (const CollectiveRecord& record : facts.collectives)
    json["collectives"].push_back(record_json(record, now));
  // One line for each thread, section and collective: readable, and small enough for 2,000 of them.
  std::string text = "{";
  for (const auto& [key, value] : json.items()) {
    text += (text.size() > 1 ? ",\n" : "\n") + ("\"" + key + "\": ");
    if (!value.is_array()) {
      text += value.dump(-1, ' ', false, Json::error_handler_t::replace);
      continue;
    }
    text += "[";
    for (std::size_t i = 0; i < value.size(); ++i)
      text += (i == 0 ? "\n  " : ",\n  ") + value[i].dump(-1, ' ', false, Json::error_handler_t::replace);
    text += "]";
  }
  return text + "\n}\n";
}

std::optional<FlightGlance> read_flight_file(const std::filesystem::path& file, const std::string& life) {
  try {
    const Json json = Json::parse(read_text(file));
    if (json.at("life") != life) return std::nullopt;
    FlightGlance glance;
    glance.view = view_from(json);
    glance.age = std::max(0.0, unix_seconds(std::chrono::system_clock::now()) - json.at("unix_time").get<double>());
    if (const Json& waits = json.at("waits_for"); !waits.is_null()) {
      CollectiveRecord record;
      record.channel = waits.at("channel") == "tensors" ? Channel::tensors : Channel::world;
      record.kind = from_name<CollectiveKind>(waits.at("kind"), 5);
      record.sequence = waits.at("sequence");
      record.what = waits.at("what");
      record.step = waits.at("step");
      glance.awaited = record;
    }
    return glance;
  } catch (const std::exception&) {
    return std::nullopt;  // Not there, or not whole: nothing is known.
  }
}

}  // namespace msn
