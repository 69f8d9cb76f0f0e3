// SPDX-License-Identifier: Apache-2.0
// What Linux tells of a process of this host.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace msn {

enum class ProcessState { running, stopped, traced, ended, unknown };

/// `traced`: a debugger is attached, whether it has stopped the process or not. `stopped`: by a signal.
ProcessState process_state(int pid);

/// The process that traces `pid`, 0 for none.
int tracer_of(int pid);

/// A process, so that it can be told from all others, also once its number is another's.
struct ProcessIdentity {
  std::string host;
  std::string boot;     ///< Of the host's kernel; empty: not told.
  std::string numbers;  ///< The namespace in which `pid` counts (containers have their own); empty: not told.
  int pid = 0;
  std::uint64_t started = 0;  ///< Clock ticks after the boot.

  bool operator==(const ProcessIdentity&) const = default;
};
ProcessIdentity this_process();

/// Seconds since this process was started, the loading of its libraries included. 0 where Linux does not tell.
double seconds_since_process_start();

/// Whether it is certain that the process has ended. Of a process of another host, boot or namespace it never is.
bool has_ended(const ProcessIdentity& process);

/// A thread of this process.
struct ThreadFacts {
  int id = 0;
  std::string name;
  char state = '?';        ///< As in proc(5): R, S, D, T, ...
  double cpu_seconds = 0;  ///< Used so far.
  std::string waits_in;    ///< Function of the kernel; empty: none, or not told.
};
std::vector<ThreadFacts> threads_of_this_process();

}  // namespace msn
