// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace msn {

/// Whether what is written there can be rewritten in place: a terminal, and TERM does not say "dumb".
bool is_terminal(int descriptor);

/// Of a terminal; 80 if it does not tell.
int terminal_columns(int descriptor);

/// Rewrites the line that the cursor of a terminal is in: to `text`, or to nothing. What cannot be written is not worth
/// an error.
void rewrite_line(int descriptor, std::string_view text);

}  // namespace msn
