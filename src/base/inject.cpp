// SPDX-License-Identifier: Apache-2.0
#include "base/inject.hpp"

#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.hpp"

namespace msn {
namespace {

struct Fault {
  std::string point;
  int rank = 0;
  std::string action;
};

Fault parse_fault(const std::string& spec) {
  const auto first = spec.find(':');
  const auto second = first == std::string::npos ? first : spec.find(':', first + 1);
  Fault fault;
  if (second != std::string::npos) {
    fault.point = spec.substr(0, first);
    const char* end = spec.data() + second;
    const auto parsed = std::from_chars(spec.data() + first + 1, end, fault.rank);
    if (parsed.ec != std::errc() || parsed.ptr != end) fault.point.clear();
    fault.action = spec.substr(second + 1);
  }
  if (fault.point.empty()) {
    throw usage_error("not a fault to inject: " + spec, "MSN_TEST_INJECT",
                      "write POINT:RANK:ACTION, several with commas between them, or unset it");
  }
  return fault;
}

std::vector<Fault> faults_from_environment() {
  const char* text = std::getenv("MSN_TEST_INJECT");
  std::vector<Fault> faults;
  if (text == nullptr) return faults;
  std::string_view rest(text);
  for (;;) {
    const auto comma = rest.find(',');
    faults.push_back(parse_fault(std::string(rest.substr(0, comma))));
    if (comma == std::string_view::npos) return faults;
    rest.remove_prefix(comma + 1);
  }
}

const std::vector<Fault>& the_faults() {
  static const std::vector<Fault> faults = faults_from_environment();
  return faults;
}

/// N of sleep-N; throws for any other action.
std::chrono::milliseconds sleep_of(std::string_view action) {
  constexpr std::string_view sleep = "sleep-";
  int milliseconds = 0;
  if (action.starts_with(sleep)) {
    const std::string_view number = action.substr(sleep.size());
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), milliseconds);
    if (parsed.ec == std::errc() && parsed.ptr == number.data() + number.size() && milliseconds >= 0) {
      return std::chrono::milliseconds(milliseconds);
    }
  }
  throw usage_error("no such fault: " + std::string(action), "MSN_TEST_INJECT",
                    "use throw, defect, exit, exit0, kill, segv, stop, sleep-MILLISECONDS, hang or damage");
}

/// Does what `fault` asks for; true for `damage`.
bool act(const Fault& fault) {
  if (fault.action == "damage") return true;
  if (fault.action == "throw") throw data_error("a fault was injected", fault.point, "unset MSN_TEST_INJECT");
  if (fault.action == "defect") throw std::runtime_error("a defect was injected at " + fault.point);
  if (fault.action == "exit") std::_Exit(9);
  if (fault.action == "exit0") std::_Exit(0);
  if (fault.action == "kill") std::raise(SIGKILL);
  if (fault.action == "segv") std::raise(SIGSEGV);
  if (fault.action == "stop") {
    ::kill(::getpid(), SIGSTOP);
    return false;
  }
  if (fault.action == "hang") {
    for (;;)
      ::pause();
  }
  std::this_thread::sleep_for(sleep_of(fault.action));
  return false;
}

}  // namespace

bool inject(std::string_view point, int rank) {
  bool damage = false;
  for (const Fault& fault : the_faults())
    damage = (point == fault.point && rank == fault.rank && act(fault)) || damage;
  return damage;
}

bool inject(std::string_view point, std::uint64_t number, int rank) {
  bool damage = false;
  for (const Fault& fault : the_faults()) {
    if (rank != fault.rank || !std::string_view(fault.point).starts_with(point)) continue;
    const bool here = point == fault.point || std::string(point) + "-" + std::to_string(number) == fault.point;
    damage = (here && act(fault)) || damage;
  }
  return damage;
}

}  // namespace msn
