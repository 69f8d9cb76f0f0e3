// SPDX-License-Identifier: Apache-2.0
// `msn inspect` of a packed data set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace msn {

/// Facts of a packed data set: counts, classes, sizes and shapes, kinds of images, shards, what was left out. Throws
/// data_error.
nlohmann::json describe_dataset(const std::filesystem::path& folder);

/// Mean and deviation of the channels over `sample` images (0: all), on all cores. Throws data_error.
nlohmann::json describe_statistics(const std::filesystem::path& folder, std::uint64_t sample);

/// The facts of describe_dataset, with "statistics" in them or not, for a terminal, several lines.
std::string dataset_text(const nlohmann::json& description);

}  // namespace msn
