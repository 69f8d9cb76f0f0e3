// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "comm/world.hpp"

namespace msn {

/// Throws an agreed data_error unless `folder` is one and the same for all ranks and may be written to: the first rank
/// of each host writes a small file into it, every rank reads rank 0's, and rank 0 reads them all. The files are gone
/// afterwards. All ranks call.
void check_shared_folder(const World& world, const std::filesystem::path& folder);

}  // namespace msn
