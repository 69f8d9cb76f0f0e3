// SPDX-License-Identifier: Apache-2.0
#include "data/text_list.hpp"

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/utf8.hpp"

namespace msn {

namespace {

constexpr std::size_t list_limit = std::size_t{1} << 31;
constexpr char form[] = "write NAME or NAME,LABEL; put a name with a comma into double quotes";

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// Takes a name in quotes from the front of `text`; nothing if the quotes do not end.
std::optional<std::string> take_quoted(std::string_view& text) {
  std::string name;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] != '"') {
      name += text[i];
    } else if (i + 1 < text.size() && text[i + 1] == '"') {
      name += text[i++];
    } else {
      text.remove_prefix(i + 1);
      return name;
    }
  }
  return std::nullopt;
}

ListLine parse_line(std::string_view text, std::size_t number, const std::string& where) {
  const auto bad = [&](const char* what) { return data_error(what, where + ":" + std::to_string(number), form); };
  ListLine line;
  line.number = number;
  std::string_view rest;  // From the comma on.
  if (text.front() == '"') {
    std::optional<std::string> name = take_quoted(text);
    if (!name) throw bad("a quote that does not end");
    line.name = std::move(*name);
    rest = trim(text);
    if (!rest.empty() && rest.front() != ',') throw bad("text behind a name in quotes");
  } else {
    const std::size_t comma = text.rfind(',');
    line.name = trim(text.substr(0, comma));
    if (comma != std::string_view::npos) rest = text.substr(comma);
  }
  if (line.name.empty()) throw bad("a line without a name");
  if (!rest.empty()) {
    line.label = trim(rest.substr(1));
    if (line.label->empty()) throw bad("a comma without a label");
  }
  return line;
}

}  // namespace

std::vector<ListLine> read_list(const std::filesystem::path& file) {
  const std::string content = read_text(file, list_limit);
  const std::string where = file.string();
  std::vector<ListLine> lines;
  std::string_view rest = content;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);  // Some editors put a byte order mark first.
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    const std::string_view text = trim(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (text.empty() || text.front() == '#') continue;
    if (text.find('\0') != std::string_view::npos || !is_utf8(text)) {
      throw data_error("a line that is no UTF-8 text", where + ":" + std::to_string(number),
                       "give a folder, a tar or a list in UTF-8");
    }
    lines.push_back(parse_line(text, number, where));
  }
  if (lines.empty()) throw data_error("the list names nothing", where, form);
  return lines;
}

std::string list_field(std::string_view text) {
  const bool plain =
      text.find_first_of(",\"") == std::string_view::npos && trim(text) == text && !text.starts_with('#');
  if (plain) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text)
    quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace msn
