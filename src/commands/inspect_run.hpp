// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace msn {

/// The checkpoints of a run folder, newest first: step, epoch, bytes, when written, and why each stays, or what is
/// wrong with it; what `latest` names; what was set aside. By manifests and sizes alone. Throws data_error.
nlohmann::json describe_run(const std::filesystem::path& run);

/// The same for people.
std::string run_text(const nlohmann::json& facts);

}  // namespace msn
