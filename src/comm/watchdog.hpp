// SPDX-License-Identifier: Apache-2.0
// A thread on each rank that ends the job when a section of its work lasts too long, and says whose fault it is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "comm/sections.hpp"
#include "comm/stall_clock.hpp"
#include "comm/world.hpp"

namespace msn {

struct WatchdogOptions {
  Seconds limit{600};                 ///< Of a section of an ordinary step, see limit_of(); 0: nothing is watched.
  std::filesystem::path folder = {};  ///< Gets the flight records when there are any; empty: they are not written.
  bool copies_data = false;           ///< The start may take as long as copying the data does.
  std::string setting = "runtime.watchdog";  ///< What sets the limit, for people.
};

/// Watches this rank's sections. When one has lasted a third of its limit, one rank of each host warns: who has not
/// come to which collective and what it is at; every rank that waits writes its flight record. At the limit all ranks
/// of the host write theirs, one rank of the job prints one line "msn: error: ...", and the job ends with 124:
/// MPI_Abort, and if that does not return, the process alone.
///
/// Ranks of a host see each other in a HeartbeatPage, ranks of other hosts by the flight records; nothing of it needs
/// MPI to work. While a debugger is attached to a rank that can be seen, nobody is ended.
class Watchdog {
 public:
  /// All ranks call. `world` must outlive it.
  Watchdog(const World& world, const WatchdogOptions& options);
  /// Stops watching; communicates nothing.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// What this rank is doing: entered by the thread that works.
  Sections& sections();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace msn
