// SPDX-License-Identifier: Apache-2.0
// Points in time as text, for files that people read.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace msn {

/// Now, in seconds since 1970, to the millisecond.
double unix_time();

/// "2026-03-01T08:30:00Z".
std::string utc_text(std::chrono::system_clock::time_point time);
/// "2026-03-01T08:30:00.250Z", always of that length.
std::string utc_text_milliseconds(std::chrono::system_clock::time_point time);

/// What either of the two wrote, to the second; nullopt for any other text.
std::optional<std::chrono::system_clock::time_point> utc_time(const std::string& text);

}  // namespace msn
