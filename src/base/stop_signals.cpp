// SPDX-License-Identifier: Apache-2.0
#include "base/stop_signals.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

#include "base/error.hpp"

namespace msn {

namespace {

using namespace std::string_view_literals;

constexpr std::array kNames{"HUP"sv, "INT"sv, "QUIT"sv, "USR1"sv, "USR2"sv, "TERM"sv, "XCPU"sv};
constexpr std::array kNumbers{SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGXCPU};
static_assert(kNames.size() == kNumbers.size());

struct Caught {
  bool active = false;
  struct sigaction before {};
};

// Global because a signal handler takes no argument.
std::array<std::atomic<bool>, kNumbers.size()> noted;
static_assert(std::atomic<bool>::is_always_lock_free);
std::array<Caught, kNumbers.size()> caught;

void on_stop_signal(int number) {
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    if (kNumbers[i] == number) noted[i] = true;
  }
}

void begin(std::size_t i) {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  if (::sigaction(kNumbers[i], &action, &caught[i].before) != 0) {
    throw system_error("cannot catch a signal", "SIG" + std::string(kNames[i]), errno);
  }
  caught[i].active = true;
}

void end(std::size_t i) {
  ::sigaction(kNumbers[i], &caught[i].before, nullptr);
  caught[i].active = false;
  if (noted[i].exchange(false)) ::raise(kNumbers[i]);
}

}  // namespace

std::span<const std::string_view> stop_signal_names() {
  return kNames;
}

std::string stop_signal_text(int number) {
  const auto found = std::find(kNumbers.begin(), kNumbers.end(), number);
  if (found == kNumbers.end()) return "signal " + std::to_string(number);
  return "SIG" + std::string(kNames[static_cast<std::size_t>(found - kNumbers.begin())]);
}

void catch_stop_signals(std::span<const std::string> names) {
  for (const std::string& name : names)
    MSN_CHECK(std::find(kNames.begin(), kNames.end(), name) != kNames.end());
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const bool wanted = std::find(names.begin(), names.end(), kNames[i]) != names.end();
    if (wanted && !caught[i].active) begin(i);
    if (!wanted && caught[i].active) end(i);
  }
}

int noted_stop_signal() {
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    if (noted[i]) return kNumbers[i];
  }
  return 0;
}

}  // namespace msn
