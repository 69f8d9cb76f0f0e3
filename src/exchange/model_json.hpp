// SPDX-License-Identifier: Apache-2.0
// What the JSON files beside other programs' weights say: config.json of transformers or timm, and
// preprocessor_config.json.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// What is said there of a network, as far as its tensors do not tell it, or tell it too.
struct ModelJson {
  std::optional<int> width, depth, heads, patch_size, image_size;
  std::optional<std::array<double, 3>> mean, std;
  std::optional<Interpolation> interpolation;
  std::vector<std::string> notes;  ///< Where msn computes otherwise, one line each.
};

/// config.json. Throws data_error for what is no JSON or says the same twice; config_error for a value that is not of
/// its kind, and for a network that msn cannot compute: another activation, other channels, no bias of q, k and v.
ModelJson parse_model_json(std::string_view text, const std::string& where);
/// preprocessor_config.json: mean, std and interpolation. Throws as parse_model_json().
void parse_preprocessor_json(std::string_view text, const std::string& where, ModelJson& into);

/// Both files of a folder; what is not there says nothing.
ModelJson read_model_json(const std::filesystem::path& folder);

}  // namespace msn
