// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "commands/command.hpp"

namespace msn {

/// `msn inspect PATH`: says what lies at PATH, without reading the bulk of it unless asked to.
Command make_inspect_command(CLI::App& parent);

/// The facts of a checkpoint folder, from its manifest. Throws data_error.
nlohmann::json describe_checkpoint(const std::filesystem::path& checkpoint);

}  // namespace msn
