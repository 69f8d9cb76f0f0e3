// SPDX-License-Identifier: Apache-2.0
// Writes or looks for checkpoints in a run folder, for the tests that kill it at every point of the commit:
//   checkpoint_program write --run DIR --step N --seed S [--keep K]
//   checkpoint_program newest --run DIR --seed-of N=S...   (prints "newest N"; its content must be the seed's)
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "base/inject.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/state.hpp"
#include "commands/run_guarded.hpp"

namespace {

using msn::test::SmallState;

struct Options {
  std::string run, marker;
  std::uint64_t step = 0, seed = 0;
  int keep = 0;
};

CLI::App* add(CLI::App& parent, const std::string& name, Options& options) {
  CLI::App* app = parent.add_subcommand(name);
  app->add_option("--run", options.run)->required();
  app->add_option("--step", options.step);
  app->add_option("--seed", options.seed);
  app->add_option("--keep", options.keep);
  app->add_option("--marker", options.marker);
  return app;
}

void write(msn::World& world, const Options& options) {
  SmallState state(options.seed);
  msn::write_checkpoint(world, options.run, msn::test::facts_of_step(options.step), state.tensors(), 2);
  if (options.keep > 0 && world.rank() == 0) msn::apply_retention(options.run, {.keep = options.keep});
}

/// Each test seed is the step itself, or 1000 more for a second version of the step.
void newest(msn::World& world, const Options& options) {
  const std::string found = world.on_root([&] {
    const auto path = msn::find_newest_checkpoint(options.run);
    return path ? path->string() : std::string();
  });
  if (found.empty()) throw msn::data_error("no checkpoint", options.run);
  SmallState state(0);
  msn::read_checkpoint(found, state.tensors());
  const std::uint64_t step = msn::read_manifest(found).facts.step;
  const char* version = state == SmallState(step) ? "first" : state == SmallState(step + 1000) ? "second" : "torn";
  if (world.rank() == 0) std::printf("newest %llu %s\n", static_cast<unsigned long long>(step), version);
}

msn::Command make_write(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  return {add(parent, "write", *options), [options](msn::World& world) { write(world, *options); }};
}

msn::Command make_newest(CLI::App& parent) {
  auto options = std::make_shared<Options>();
  return {add(parent, "newest", *options), [options](msn::World& world) { newest(world, *options); }};
}

}  // namespace

int main(int argc, char** argv) {
  return msn::run_guarded(argc, argv, {.version = "test", .commands = {make_write, make_newest}});
}
