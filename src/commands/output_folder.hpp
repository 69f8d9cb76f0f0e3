// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>

namespace msn {

/// Makes the folder that a command was asked for, whole or not at all: `fill` puts durable files into an empty folder
/// beside it, which then gets its name; folders above are made if need be. Throws data_error if anything has the name
/// already, before and after the filling, or if it cannot be written; whatever `fill` throws. Nothing is left then.
void write_output_folder(const std::filesystem::path& output,
                         const std::function<void(const std::filesystem::path& folder)>& fill);

}  // namespace msn
