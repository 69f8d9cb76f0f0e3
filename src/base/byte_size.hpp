// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace msn {

/// "1GiB", "500MB", "4096" to bytes (KiB, MiB, GiB, TiB; kB, MB, GB, TB; B). Throws usage_error.
std::uint64_t parse_size(std::string_view text);

/// "1.50 GiB", for messages.
std::string gib_text(std::uint64_t bytes);

}  // namespace msn
