// SPDX-License-Identifier: Apache-2.0
#include "comm/process_facts.hpp"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

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

/// The fields of a stat file (proc(5)) from the third one, the state, on: counted behind the name, which may hold
/// anything. Empty if the process or thread has just ended.
std::vector<std::string> stat_fields(const std::string& file) {
  const std::string stat = first_line(file);
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream in(stat.substr(name_end + 1));
  return {std::istream_iterator<std::string>(in), std::istream_iterator<std::string>()};
}

constexpr std::size_t kState = 0, kUserTime = 11, kSystemTime = 12, kStarted = 19;  // In stat_fields().

double ticks_a_second() {
  return static_cast<double>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
}

/// 0 if it is not told.
std::uint64_t start_of(int pid) {
  const auto fields = stat_fields(proc(pid, "stat"));
  return fields.size() > kStarted ? std::strtoull(fields[kStarted].c_str(), nullptr, 10) : 0;
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

ProcessIdentity this_process() {
  ProcessIdentity self;
  char host[HOST_NAME_MAX + 1] = {};
  if (::gethostname(host, HOST_NAME_MAX) == 0) self.host = host;
  self.boot = first_line("/proc/sys/kernel/random/boot_id");
  std::error_code not_told;
  self.numbers = std::filesystem::read_symlink("/proc/self/ns/pid", not_told).string();
  self.pid = ::getpid();
  self.started = start_of(self.pid);
  return self;
}

double seconds_since_process_start() {
  const std::uint64_t started = start_of(::getpid());
  timespec now{};
  if (started == 0 || ::clock_gettime(CLOCK_BOOTTIME, &now) != 0) return 0;
  const double uptime = static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  return std::max(0.0, uptime - static_cast<double>(started) / ticks_a_second());
}

bool has_ended(const ProcessIdentity& process) {
  const ProcessIdentity self = this_process();
  const bool is_known = !self.boot.empty() && !self.numbers.empty() && process.pid > 0;
  if (!is_known || process.host != self.host || process.boot != self.boot || process.numbers != self.numbers)
    return false;
  // Not by /proc alone, which may hide the processes of other users.
  if (::kill(process.pid, 0) != 0 && errno == ESRCH) return true;
  const std::uint64_t started = start_of(process.pid);
  if (started != 0 && process.started != 0 && started != process.started) return true;
  return process_state(process.pid) == ProcessState::ended && started != 0;  // A zombie.
}

std::vector<ThreadFacts> threads_of_this_process() {
  std::vector<ThreadFacts> threads;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/self/task", error), end; !error && at != end;
       at.increment(error)) {
    const std::string folder = at->path().string();
    ThreadFacts facts;
    facts.id = std::atoi(at->path().filename().c_str());
    facts.name = first_line(folder + "/comm");
    const auto fields = stat_fields(folder + "/stat");
    if (fields.size() <= kSystemTime) continue;  // It has just ended.
    facts.state = fields[kState].front();
    facts.cpu_seconds =
        (std::atof(fields[kUserTime].c_str()) + std::atof(fields[kSystemTime].c_str())) / ticks_a_second();
    facts.waits_in = first_line(folder + "/wchan");
    if (facts.waits_in == "0") facts.waits_in.clear();
    threads.push_back(facts);
  }
  return threads;
}

}  // namespace msn
