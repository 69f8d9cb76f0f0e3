// SPDX-License-Identifier: Apache-2.0
// A program with one command that fails in a chosen way, to see how run_guarded ends it:
//   guarded_program fail [--rank R] --how HOW [--watchdog SECONDS]
// The ranks that do not fail wait in a barrier.
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/inject.hpp"
#include "comm/watchdog.hpp"
#include "comm/world.hpp"
#include "commands/run_guarded.hpp"

namespace {

struct Options {
  int rank = 0;
  std::string how;
  std::string marker;
  double watchdog = 0;
};

/// A debugger, played by a child: it holds this process for that long, without stopping it.
void be_traced(unsigned seconds) {
  ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool held = ::ptrace(PTRACE_SEIZE, ::getppid(), nullptr, nullptr) == 0;
    if (held) ::sleep(seconds);
    ::_exit(held ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) std::fprintf(stderr, "ptrace is not permitted here\n");
}

void fail(const std::string& how) {
  if (how == "error") throw msn::data_error("cannot read", "a.h5", "look at it");
  if (how == "exception") throw std::out_of_range("an index is out of range");
  if (how == "unknown") throw 7;
  if (how == "thread") std::thread([] { throw std::runtime_error("a thread failed"); }).join();
  if (how == "segfault") std::raise(SIGSEGV);
  if (how == "kill") std::raise(SIGKILL);
  if (how == "exit") std::_Exit(0);
  if (how == "traced") be_traced(4);
  if (how == "hang") {
    for (;;)
      ::pause();
  }
}

void run(msn::World& world, const Options& options) {
  msn::Watchdog watchdog(world, {.limit = msn::Seconds(options.watchdog)});
  watchdog.sections().begin_step(1);
  if (options.how == "stopped") {
    throw msn::AgreedError({msn::ExitCode::stopped, "a checkpoint of step 3 is durable", "", "run it again"});
  }
  if (options.how == "agreed") {
    world.agree([&] {
      if (world.rank() == options.rank) fail("error");
    });
  }
  if (world.rank() == options.rank) fail(options.how);
  msn::inject("before-barrier", world.rank());
  world.barrier();
}

msn::Command make_command(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  CLI::App* app = parent.add_subcommand("fail", "Fails");
  app->add_option("--rank", options->rank);
  app->add_option("--how", options->how)->required();
  app->add_option("--marker", options->marker);
  app->add_option("--watchdog", options->watchdog);
  return {app, [options](msn::World& world) { run(world, *options); }};
}

}  // namespace

int main(int argc, char** argv) {
  return msn::run_guarded(argc, argv, {.version = "test", .commands = {make_command}});
}
