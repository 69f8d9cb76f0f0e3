// SPDX-License-Identifier: Apache-2.0
#include "base/inject.hpp"

#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <string>

#include "base/error.hpp"

namespace msn {
namespace {

struct Fault {
  std::string point;  ///< Empty: none is asked for.
  int rank = 0;
  std::string action;
};

Fault fault_from_environment() {
  const char* text = std::getenv("MSN_TEST_INJECT");
  if (text == nullptr) return {};
  const std::string spec(text);
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
    throw usage_error("not a fault to inject: " + spec, "MSN_TEST_INJECT", "write POINT:RANK:ACTION, or unset it");
  }
  return fault;
}

}  // namespace

bool inject(std::string_view point, int rank) {
  static const Fault fault = fault_from_environment();
  if (fault.point.empty() || point != fault.point || rank != fault.rank) return false;
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

}  // namespace msn
