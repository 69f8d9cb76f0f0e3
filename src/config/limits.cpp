// SPDX-License-Identifier: Apache-2.0
#include "config/limits.hpp"

#include "base/error.hpp"

namespace msn {

namespace {

// The position behind the string or comment that begins at `at`. Single-line ones end at the line's end at the latest:
// the parser stops there with an error, if not before.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const bool escapes = quote == '"';
  const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
  const bool multi_line = text.substr(at, 3) == triple;
  at += multi_line ? 3 : 1;
  while (at < text.size()) {
    if (escapes && text[at] == '\\') {
      at += 2;
    } else if (multi_line && text.substr(at, 3) == triple) {
      at += 3;
      // One or two quotes may stand right before the closing three; they belong to the string.
      while (at < text.size() && text[at] == quote)
        ++at;
      return at;
    } else if (!multi_line && (text[at] == quote || text[at] == '\n')) {
      return text[at] == quote ? at + 1 : at;
    } else {
      ++at;
    }
  }
  return text.size();
}

}  // namespace

void check_limits(std::string_view text, const std::string& name) {
  if (text.size() > kMaxConfigBytes) {
    throw config_error("the configuration has " + std::to_string(text.size()) + " bytes, more than the limit of " +
                           std::to_string(kMaxConfigBytes),
                       name, "is this the file that you mean?");
  }
  int depth = 0;
  int dots = 0;
  std::size_t line = 1;
  std::size_t line_start = 0;
  for (std::size_t at = 0; at < text.size();) {
    switch (text[at]) {
      case '"':
      case '\'': {
        const std::size_t end = skip_string(text, at);
        for (; at < end && at < text.size(); ++at) {
          if (text[at] == '\n') ++line, line_start = at + 1;
        }
        continue;
      }
      case '#':
        while (at < text.size() && text[at] != '\n')
          ++at;
        continue;
      case '[':
      case '{':
        ++depth;
        dots = 0;
        break;
      case ']':
      case '}':
        --depth;
        dots = 0;
        break;
      case '.':
        ++dots;
        break;
      case '\n':
        dots = 0;
        ++line;
        line_start = at + 1;
        break;
      case '=':
      case ',':
        dots = 0;
        break;
      default:
        break;
    }
    if (depth > kMaxNesting || dots > kMaxDottedKey) {
      throw config_error("the text is nested deeper than " + std::to_string(kMaxNesting) + " levels",
                         name + ":" + std::to_string(line) + ":" + std::to_string(at - line_start + 1),
                         "a configuration has sections and keys, nothing deeper");
    }
    ++at;
  }
}

}  // namespace msn
