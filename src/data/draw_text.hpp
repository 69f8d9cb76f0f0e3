// SPDX-License-Identifier: Apache-2.0
// Small text in pictures, with a font of its own: the printable ASCII characters, 5 x 7 pixels each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.hpp"

namespace msn {

/// Pixels from one character to the next, and from one line to the next.
inline constexpr int text_advance = 6;
inline constexpr int text_line = 10;

using Colour = std::array<std::uint8_t, 3>;

/// `text` (UTF-8) as the font can show it: any character that is not printable ASCII becomes one '?'.
std::string printable(std::string_view text);

/// Draws one line of printable text; (left, top) is its first pixel. What lies outside the image is not drawn.
void draw_text(Image& image, int left, int top, std::string_view text, const Colour& colour);

/// Cuts printable text at spaces into lines of at most `columns` (at least 1) characters; a longer word is cut
/// anywhere. Spaces at a cut are dropped.
std::vector<std::string> wrap_text(std::string_view text, std::size_t columns);

}  // namespace msn
