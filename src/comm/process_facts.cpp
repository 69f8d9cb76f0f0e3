// SPDX-License-Identifier: Apache-2.0
#include "comm/process_facts.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace msn {

namespace {

std::string proc(int pid, const std::string& name) {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

/// The value of "Key:\tvalue" in a status file; empty if it is not there.
std::string status_value(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key + ":")) continue;
    const auto begin = line.find_first_not_of(" \t", key.size() + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

std::string first_line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

}  // namespace

int tracer_of(int pid) {
  return std::atoi(status_value(proc(pid, "status"), "TracerPid").c_str());
}

ProcessState process_state(int pid) {
  const std::string state = status_value(proc(pid, "status"), "State");
  if (state.empty()) return ::access("/proc/self/status", R_OK) == 0 ? ProcessState::ended : ProcessState::unknown;
  if (tracer_of(pid) != 0) return ProcessState::traced;
  switch (state.front()) {
    case 'Z':
    case 'X':
      return ProcessState::ended;
    case 'T':
      return ProcessState::stopped;
    default:
      return ProcessState::running;
  }
}

std::vector<ThreadFacts> threads_of_this_process() {
  std::vector<ThreadFacts> threads;
  std::error_code error;
  const double ticks = static_cast<double>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
  for (std::filesystem::directory_iterator at("/proc/self/task", error), end; !error && at != end;
       at.increment(error)) {
    const std::string folder = at->path().string();
    ThreadFacts facts;
    facts.id = std::atoi(at->path().filename().c_str());
    facts.name = first_line(folder + "/comm");
    // Fields 3 (state), 14 and 15 (times) of the line, counted behind the name, which may hold anything.
    const std::string stat = first_line(folder + "/stat");
    const auto name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;  // It has just ended.
    std::istringstream fields(stat.substr(name_end + 1));
    fields >> facts.state;
    std::string skipped;
    for (int field = 4; field < 14; ++field)
      fields >> skipped;
    double user = 0, system = 0;
    fields >> user >> system;
    facts.cpu_seconds = (user + system) / ticks;
    facts.waits_in = first_line(folder + "/wchan");
    if (facts.waits_in == "0") facts.waits_in.clear();
    threads.push_back(facts);
  }
  return threads;
}

}  // namespace msn
