// SPDX-License-Identifier: Apache-2.0
// What a subcommand is to main: its options and what it does.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace msn {

class World;

/// A subcommand. `run` is called on every rank with MPI up, after the command line was parsed; it throws msn::Error
/// where it cannot go on, an AgreedError where every rank does.
struct Command {
  CLI::App* app = nullptr;  ///< Owned by the parent that the maker was given.
  std::function<void(World&)> run;
};

/// Adds a subcommand with its options to `parent`. Options are checked before MPI is up: by CLI11's validators, or by
/// throwing usage_error from a parse callback.
using CommandMaker = std::function<Command(CLI::App& parent)>;

}  // namespace msn
