// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// The configuration that a benchmark is given: load_config() of `file`, or the defaults with the overrides if it is
/// empty. Throws config_error.
Config bench_config(const std::filesystem::path& file, const std::vector<std::string>& overrides);

}  // namespace msn
