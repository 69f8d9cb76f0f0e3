// SPDX-License-Identifier: Apache-2.0
// How a benchmark gives its machine-readable line away.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "comm/world.hpp"

namespace msn {

struct BenchOutput {
  bool json = false;           ///< On standard output, last.
  std::filesystem::path file;  ///< Empty: into none.
};

/// Adds --json and --output.
void add_bench_output(CLI::App& app, BenchOutput& output);

/// Before anything is measured for nothing: throws an agreed data_error where rank 0 cannot write the file's folder.
/// All ranks call.
void check_bench_output(const World& world, const BenchOutput& output);

/// Writes the line: on standard output, and as the file's only one, which is there whole or not at all. Throws
/// data_error. Of rank 0.
void give_bench_output(const BenchOutput& output, const nlohmann::ordered_json& line);

}  // namespace msn
