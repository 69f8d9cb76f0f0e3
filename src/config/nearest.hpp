// SPDX-License-Identifier: Apache-2.0
// The known name that a mistyped one most likely means.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace msn {

/// Least number of inserted, deleted and replaced bytes that turns `a` into `b` (Levenshtein).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The one of `names` with the least edit distance to `name`, the first of equals. `names` is not empty.
std::string nearest_name(std::string_view name, std::span<const std::string> names);

}  // namespace msn
