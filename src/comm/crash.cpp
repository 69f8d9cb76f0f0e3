// SPDX-License-Identifier: Apache-2.0
#include "comm/crash.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <iterator>

namespace msn {

namespace {

struct Crash {
  int signal;
  const char* name;
};
constexpr Crash kCrashes[] = {{SIGSEGV, "segmentation fault"},
                              {SIGBUS, "bus error"},
                              {SIGFPE, "arithmetic fault"},
                              {SIGILL, "illegal instruction"},
                              {SIGABRT, "abort"}};

// Global because a signal handler takes no argument.
char who_crashes[512];
struct sigaction actions_before[std::size(kCrashes)];
std::atomic<const Heartbeat*> crash_place{nullptr};
std::atomic_flag has_spoken;

/// Text put together without memory or locks.
class Line {
 public:
  void add(const char* text) {
    const std::size_t length = std::min(std::strlen(text), sizeof text_ - size_);
    std::memcpy(text_ + size_, text, length);
    size_ += length;
  }
  void add(std::uint64_t number) {
    char digits[24];
    char* at = std::end(digits);
    *--at = '\0';
    do {
      *--at = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    add(at);
  }
  void write() const {
    if (::write(STDERR_FILENO, text_, size_) < 0) return;  // There is nowhere left to say so.
  }

 private:
  char text_[1024];
  std::size_t size_ = 0;
};

void on_crash(int signal) {
  for (std::size_t i = 0; i < std::size(kCrashes); ++i) {
    if (kCrashes[i].signal != signal) continue;
    if (!has_spoken.test_and_set()) {
      Line line;
      line.add("msn: error");
      line.add(who_crashes);
      line.add(": ");
      line.add(kCrashes[i].name);
      if (const Heartbeat* place = crash_place.load()) {
        line.add(" in ");
        line.add(to_string(place->section.load()));
        if (const std::uint64_t step = place->step.load(); step > 0) {
          line.add(" of step ");
          line.add(step);
        }
      }
      line.add(": this is a defect of msn or of a library; please report it with the log\n");
      line.write();
    }
    // Blocked until this handler returns, then handled as before.
    ::sigaction(signal, &actions_before[i], nullptr);
    ::raise(signal);
    return;
  }
}

}  // namespace

void install_crash_handler(std::string_view who) {
  const std::size_t length = std::min(who.size(), sizeof who_crashes - 1);
  std::copy_n(who.data(), length, who_crashes);
  who_crashes[length] = '\0';
  // A stack that has run over is no place for a handler. Other threads run theirs on their own stacks.
  static char stack[65536];
  const stack_t alternative{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
  ::sigaltstack(&alternative, nullptr);
  for (std::size_t i = 0; i < std::size(kCrashes); ++i) {
    struct sigaction action {};
    action.sa_handler = on_crash;
    action.sa_flags = SA_ONSTACK;
    ::sigaction(kCrashes[i].signal, &action, &actions_before[i]);
  }
}

CrashPlace::CrashPlace(const Heartbeat& heartbeat) {
  crash_place = &heartbeat;
}

CrashPlace::~CrashPlace() {
  crash_place = nullptr;
}

}  // namespace msn
