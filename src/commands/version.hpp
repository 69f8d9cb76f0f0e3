// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace msn {

/// What --version prints: the table of the build, and the versions of the libraries that are really loaded. `more` adds
/// rows (name, value) of libraries that this file must not know.
std::string version_text(const std::vector<std::pair<std::string, std::string>>& more = {});

/// The program's own version, as "0.1.0 (2913ccc6a8)".
std::string program_version();

}  // namespace msn
