// SPDX-License-Identifier: Apache-2.0
// What is refused before a TOML parser sees the text: a parser builds, and later frees, one level of stack for each
// level of nesting, so that a small hostile file could end the process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace msn {

inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;
inline constexpr int kMaxNesting = 8;    ///< Open brackets and braces at one place.
inline constexpr int kMaxDottedKey = 8;  ///< Dots of one key.

/// Throws config_error, with `name`:line:column, if `text` is larger or nested deeper than the limits. Of a text that
/// is not TOML it may say nothing; the parser refuses that at the same place.
void check_limits(std::string_view text, const std::string& name);

}  // namespace msn
