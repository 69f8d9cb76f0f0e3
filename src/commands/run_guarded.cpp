// SPDX-License-Identifier: Apache-2.0
#include "commands/run_guarded.hpp"

#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "comm/crash.hpp"
#include "comm/world.hpp"

namespace msn {
namespace {

/// " on rank R of N (host H)" once MPI is up. Global because a terminate handler takes no argument; written once,
/// before any thread of ours exists.
std::string this_rank;

/// One write, so that lines of several ranks do not mix.
void print_line(const std::string& text) {
  log::flush();
  std::fflush(nullptr);
  const std::string line = text + "\n";
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;  // There is nowhere left to say so.
}

/// `where_from` is empty for what all ranks agree on.
std::string line_of(const Error& error, const std::string& where_from) {
  // A stop with a durable checkpoint is asked for: no error, though not the end either.
  const std::string kind = error.code() == ExitCode::stopped ? "stopped" : "error";
  return "msn: " + kind + where_from + ": " + error.what();
}

[[noreturn]] void end_all_ranks(const Error& error) {
  print_line(line_of(error, this_rank));
  World::abort(static_cast<int>(error.code()));
}

[[noreturn]] void on_terminate() {
  const Error error = to_error(std::current_exception());
  end_all_ranks(Error(ExitCode::internal, error.problem(), error.where(), error.remedy()));
}

/// The command to run, or the exit code if the command line already says everything. Nothing here needs MPI.
struct Parsed {
  std::optional<Command> command;
  int code = 0;
};

Parsed parse(CLI::App& app, int argc, char** argv, const Program& program, bool speaks) {
  app.set_version_flag("--version", program.version, "Print what this program was built with, and exit");
  app.require_subcommand(0, 1);
  Command self_test;
  if (program.self_test) self_test = program.self_test(app);
  std::vector<Command> commands;
  for (const auto& make : program.commands)
    commands.push_back(make(app));
  try {
    app.parse(argc, argv);
    if (self_test.app != nullptr && app.count(kSelfTest) > 0) {
      if (!app.get_subcommands().empty())
        throw CLI::ExcludesError(kSelfTest, app.get_subcommands().front()->get_name());
      return {self_test, 0};
    }
    if (app.get_subcommands().empty()) throw CLI::RequiredError::Subcommand(1);
  } catch (const CLI::Success& request) {  // --help, --version
    if (speaks) app.exit(request, std::cout, std::cerr);
    return {std::nullopt, 0};
  } catch (const CLI::Error& error) {
    std::string help = app.get_name();
    for (const CLI::App* chosen : app.get_subcommands())
      help += " " + chosen->get_name();
    throw usage_error(error.what(), "command line", "see " + help + " --help");
  }
  for (const auto& command : commands) {
    if (command.app->parsed()) return {command, 0};
  }
  throw internal_error("a subcommand was parsed that no command owns");
}

int run_command(World& world, const Command& command) {
  std::optional<Error> agreed;
  try {
    command.run(world);
  } catch (const AgreedError& error) {
    agreed = error;
  } catch (const JobError& error) {
    if (world.rank() != 0) std::this_thread::sleep_for(std::chrono::seconds(3));
    end_all_ranks(error);
  } catch (...) {
    const Error error = to_error(std::current_exception());
    if (world.size() > 1) end_all_ranks(error);
    agreed = error;  // A rank alone agrees with itself.
  }
  if (agreed && world.rank() == 0) print_line(line_of(*agreed, ""));
  world.finalize();
  return static_cast<int>(agreed ? agreed->code() : ExitCode::done);
}

}  // namespace

int run_guarded(int argc, char** argv, const Program& program) {
  const LauncherClaim claim = launcher_claim();
  std::optional<World> world;
  try {
    CLI::App app("Masked Siamese Networks: pretraining of Vision Transformers on MPI clusters", "msn");
    const Parsed parsed = parse(app, argc, argv, program, claim.rank == 0);
    if (!parsed.command) return parsed.code;
    world = World::init(&argc, &argv);
    this_rank = " on rank " + std::to_string(world->rank()) + " of " + std::to_string(world->size()) + " (host " +
                world->host() + ")";
    std::set_terminate(on_terminate);
    install_crash_handler(this_rank);
    log::set_voice(world->rank() == 0);
    return run_command(*world, *parsed.command);
  } catch (...) {
    const Error error = to_error(std::current_exception());
    if (world) end_all_ranks(error);
    // Every rank fails alike up to here. A launcher ends the job when the first one does: let that be the one that
    // speaks.
    if (claim.rank == 0) {
      print_line(line_of(error, ""));
    } else {
      std::this_thread::sleep_for(std::chrono::seconds(3));
    }
    return static_cast<int>(error.code());
  }
}

}  // namespace msn
