// SPDX-License-Identifier: Apache-2.0
// Numbers in short lines of text.
#pragma once

#include <cstdio>
#include <string>

namespace msn {

/// As printf, into a string; cut off after 255 bytes, so for numbers and words of our own only.
template <class... Values>
std::string formatted(const char* format, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

}  // namespace msn
