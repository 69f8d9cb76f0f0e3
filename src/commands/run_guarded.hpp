// SPDX-License-Identifier: Apache-2.0
// The outermost frame of every command: how it starts, and how it ends on every rank whatever happens.
#pragma once

#include <string>
#include <vector>

#include "commands/command.hpp"

namespace msn {

struct Program {
  std::string version;  ///< Text of --version.
  std::vector<CommandMaker> commands;
  /// Adds the flag kSelfTest, and what goes with it, to the program itself; it is run in place of a command.
  CommandMaker self_test = {};
};

inline constexpr const char* kSelfTest = "--self-test";

/// Parses the command line, starts MPI, runs the chosen command and returns the exit code of the process.
///
/// - An error in the command line, or a broken launch, is printed once (by the launcher's rank 0) before any rank waits
///   for another.
/// - An AgreedError, which every rank throws, is printed by rank 0; MPI ends in order and every rank returns its code.
/// - A JobError, which every rank meets sooner or later, is printed by rank 0, which ends all with its code. The other
///   ranks do so themselves if rank 0 has not after 3 s.
/// - Any other exception of one rank among several is printed by it as one line, and MPI_Abort ends the others with its
///   code. MPI_Finalize is not called then: it would wait for them.
/// - std::terminate, for instance by an exception in a thread, does the same with code 70.
int run_guarded(int argc, char** argv, const Program& program);

}  // namespace msn
