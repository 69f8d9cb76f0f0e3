// SPDX-License-Identifier: Apache-2.0
// One line for a rank that crashes.
#pragma once

#include <string_view>

#include "comm/sections.hpp"

namespace msn {

/// From now on SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT write one line, "msn: error" + `who` + ": segmentation fault
/// in forward of step 12: ...", before they do what they did before: the exit code stays the signal's. Call once, after
/// MPI is up (it has handlers of its own, for a backtrace), before other threads begin.
void install_crash_handler(std::string_view who);

/// Where this rank is, for that line, as long as this lives.
class CrashPlace {
 public:
  explicit CrashPlace(const Heartbeat& heartbeat);
  ~CrashPlace();
  CrashPlace(const CrashPlace&) = delete;
  CrashPlace& operator=(const CrashPlace&) = delete;
};

}  // namespace msn
