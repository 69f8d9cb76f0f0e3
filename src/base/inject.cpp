// SPDX-License-Identifier: Apache-2.0
#include "base/inject.hpp"

#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>
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

/// Does what `fault` asks for; true for `damage`.
bool act(const Fault& fault) {
  if (fault.action == "damage") return true;
  if (fault.action == "throw") throw data_error("a fault was injected", fault.point, "unset MSN_TEST_INJECT");
  if (fault.action == "defect") throw std::runtime_error("a defect was injected at " + fault.point);
  if (fault.action == "exit") std::_Exit(9);
  if (fault.action == "kill") std::raise(SIGKILL);
  if (fault.action == "hang") {
    for (;;)
      ::pause();
  }
  throw usage_error("no such fault: " + fault.action, "MSN_TEST_INJECT",
                    "use throw, defect, exit, kill, hang or damage");
}

}  // namespace

bool inject(std::string_view point, int rank) {
  static const std::vector<Fault> faults = faults_from_environment();
  bool damage = false;
  for (const Fault& fault : faults)
    damage = (point == fault.point && rank == fault.rank && act(fault)) || damage;
  return damage;
}

}  // namespace msn
