// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace msn {

/// What msn makes and a user may point at.
enum class PathKind { data_set, checkpoint, run };

/// By the file or folder that only this kind has. Throws data_error if there is nothing, or something else.
PathKind path_kind(const std::filesystem::path& path);

}  // namespace msn
