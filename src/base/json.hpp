// SPDX-License-Identifier: Apache-2.0
// JSON from files that nobody vouches for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace msn {

/// Parses a text. Throws data_error, with `where` and `remedy`, for a key that an object has twice, nesting deeper than
/// 14 levels and a number that no double holds; nlohmann::json::parse_error for what is no JSON.
nlohmann::ordered_json parse_json(std::string_view text, const std::string& where, const std::string& remedy);

}  // namespace msn
