// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>

namespace msn {

/// Writes the file that a command was asked for, whole or not at all; one that is there is replaced. Throws data_error.
void write_output(const std::filesystem::path& file, std::string_view bytes);

}  // namespace msn
