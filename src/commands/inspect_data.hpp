// SPDX-License-Identifier: Apache-2.0
// `msn inspect` of a packed data set.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace msn {

/// Facts of a packed data set: counts, classes, sizes, kinds of images, shards, what was left out. Throws data_error.
nlohmann::json describe_dataset(const std::filesystem::path& folder);

/// The same for a terminal, several lines.
std::string dataset_text(const nlohmann::json& description);

}  // namespace msn
