// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.hpp"
#include "commands/output.hpp"

namespace msn {

void add_bench_output(CLI::App& app, BenchOutput& output) {
  app.add_flag("--json", output.json, "Print one machine-readable line last");
  app.add_option("--output", output.file, "Write that line to this file, whole or not at all");
}

void check_bench_output(const World& world, const BenchOutput& output) {
  if (output.file.empty()) return;
  world.on_root([&] {
    const auto refuse = [&](int error_number) {
      return system_error("cannot write there", output.file.string(), error_number,
                          "give --output a file in a folder that exists and that you may write to");
    };
    const std::filesystem::path folder = output.file.has_parent_path() ? output.file.parent_path() : ".";
    if (std::filesystem::is_directory(output.file)) throw refuse(EISDIR);
    if (::access((folder / "").c_str(), W_OK) != 0) throw refuse(errno);
    return std::string();
  });
}

void give_bench_output(const BenchOutput& output, const nlohmann::ordered_json& line) {
  const std::string text = line.dump() + "\n";
  if (output.json) std::printf("%s", text.c_str());
  std::fflush(stdout);
  if (!output.file.empty()) write_output(output.file, text);
}

}  // namespace msn
