// SPDX-License-Identifier: Apache-2.0
// Values as TOML text.
#pragma once

#include <string>
#include <string_view>

namespace msn {

/// `text`, which is UTF-8, as a TOML basic string with its quotes.
std::string toml_string(std::string_view text);

/// A finite number as short text that reads back to the same bits and that TOML reads as a floating-point number.
std::string number_text(double value);

}  // namespace msn
