// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// Gives a benchmark the arguments CONFIG and --set; `what` says what the configuration is for.
void add_bench_config(CLI::App& app, const std::string& what, std::filesystem::path& file,
                      std::vector<std::string>& overrides);

/// The configuration that a benchmark is given: load_config() of `file`, or the defaults with the overrides if it is
/// empty. Throws config_error.
Config bench_config(const std::filesystem::path& file, const std::vector<std::string>& overrides);

}  // namespace msn
