// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "exchange/named_tensor.hpp"

namespace msn {

inline constexpr std::string_view kModelFile = "model.safetensors";
inline constexpr std::string_view kIndexFile = "model.safetensors.index.json";

/// Whether `folder` holds one of the two files above.
bool holds_tensor_files(const std::filesystem::path& folder);

/// The tensors of a safetensors file, of the files that an index (*.json) names, or of a folder that holds
/// model.safetensors.index.json or model.safetensors. The files stay open as long as a tensor lives.
///
/// An index names regular files of its own folder, no links; each of its tensors is in the file that it names, and
/// these files hold no other tensors. Throws data_error for anything else and for damaged files, config_error for a
/// path that is none of the three and for a dtype that is not known.
std::vector<NamedTensor> open_tensor_files(const std::filesystem::path& path);

}  // namespace msn
