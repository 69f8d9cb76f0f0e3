// SPDX-License-Identifier: Apache-2.0
#include "commands/self_test.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "comm/watchdog.hpp"
#include "comm/world.hpp"
#include "commands/run_guarded.hpp"
#include "commands/self_test_report.hpp"
#include "commands/version.hpp"

namespace msn {

namespace {

struct Arguments {
  std::string test;
  std::filesystem::path folder = ".";
  LauncherClaim launcher = launcher_claim();
  bool json = false;
};

std::string ending(std::size_t warnings) {
  if (warnings == 0) return "fit";
  return "fit, with " + std::to_string(warnings) + (warnings == 1 ? " warning" : " warnings");
}

void run(const World& world, const Arguments& arguments) {
  // All of it counts as start: six times the limit. NCCL has limits of its own, and longer ones.
  const Watchdog watchdog(
      world, {.limit = Seconds(arguments.test == "gpu" ? 60 : 10), .setting = "the limit of a self-test's step"});
  const bool speaks = world.rank() == 0;
  if (speaks) {
    std::printf("self-test %s on %d %s\n", arguments.test.c_str(), world.size(), world.size() == 1 ? "rank" : "ranks");
    std::fflush(stdout);
  }
  SelfTestReport report(world);
  report.common_fact("msn", program_version());
  if (arguments.test == "mpi") {
    self_test_mpi(world, arguments.launcher, arguments.folder, report);
  } else if (arguments.test == "hdf5") {
    self_test_hdf5(world, arguments.folder, report);
  } else {
    self_test_gpu(world, report);
  }
  if (!speaks) return;
  std::printf("%s: %s\n", arguments.test.c_str(), ending(report.warnings().size()).c_str());
  if (arguments.json) {
    nlohmann::ordered_json line{{"command", "self-test"}, {"test", arguments.test}, {"ranks", world.size()}};
    line.update(report.to_json());
    std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_self_test(CLI::App& program) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::Option* test =
      program
          .add_option(
              kSelfTest, arguments->test,
              "In place of a command, alone or under mpirun or srun: is this machine fit for a run? mpi: ranks, "
              "cores, sums over ranks, clocks, and one folder for all; hdf5: files in that folder; gpu: GPUs, a "
              "product on each, NCCL")
          ->check(CLI::IsMember({"mpi", "hdf5", "gpu"}))
          ->option_text("mpi|hdf5|gpu");
  program
      .add_option("--run", arguments->folder, "With --self-test: a folder in which runs will lie (default: this one)")
      ->needs(test)
      ->option_text("FOLDER");
  program.add_flag("--json", arguments->json, "With --self-test: print one machine-readable line last")->needs(test);
  program.footer(
      "Example:\n"
      "  mpirun -n 2 msn --self-test mpi --run runs");
  return {&program, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
