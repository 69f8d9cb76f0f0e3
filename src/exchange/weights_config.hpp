// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "exchange/vit_names.hpp"

namespace msn {

struct WeightsConfig {
  Config config;
  std::vector<std::string> notes;  ///< What a reader of the log should know, one line each.
};

/// The configuration of weights that were read from `path` (a file or its folder): of config.toml beside them, as msn
/// export and msn import write it, else made of their sizes and of config.json and preprocessor_config.json beside
/// them. `heads`, which no tensor tells, overrides; where neither says them they are those of the named arch of this
/// width and depth. Mean and deviation are ImageNet's unless said otherwise.
///
/// Throws config_error where the files contradict the tensors or the heads are not to be known, data_error for a
/// damaged file.
WeightsConfig weights_config(const std::filesystem::path& path, const VitSizes& sizes,
                             std::optional<int> heads = std::nullopt);

/// The heads that the files beside `path` say, if they say them. Throws as weights_config().
std::optional<int> heads_beside(const std::filesystem::path& path);

}  // namespace msn
