// SPDX-License-Identifier: Apache-2.0
#include "data/label_list.hpp"

#include <unordered_map>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/json.hpp"
#include "base/utf8.hpp"
#include "data/sources.hpp"

namespace msn {

namespace {

constexpr int format_version = 1;
constexpr std::string_view title = "# msn label list ";
constexpr char remedy[] = "docs/formats.md describes label lists";

/// A field as RFC 4180 wants it: in quotes where a comma, a quote or a line break is in it; here also where the line
/// would look like a comment or lose a space.
std::string field_text(const std::string& value) {
  const bool plain = value.find_first_of(",\"\r\n") == std::string::npos && !value.empty() && value.front() != '#' &&
                     value.front() != ' ' && value.back() != ' ';
  if (plain) return value;
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + '"';
}

/// Reads the text record by record; comments and empty lines are passed over.
class Reader {
 public:
  Reader(std::string_view text, std::string where) : rest_(text), where_(std::move(where)) {}

  /// The next record's fields, or the next comment as one field that begins with '#'; nothing at the end.
  std::vector<std::string> next() {
    while (take_line_break()) {
    }
    start_ = line_;
    if (rest_.empty()) return {};
    if (rest_.front() == '#') {
      const std::string_view comment = rest_.substr(0, rest_.find_first_of("\r\n"));
      rest_.remove_prefix(comment.size());
      is_comment_ = true;
      return {std::string(comment)};
    }
    is_comment_ = false;
    std::vector<std::string> fields{field()};
    while (!rest_.empty() && rest_.front() == ',') {
      rest_.remove_prefix(1);
      fields.push_back(field());
    }
    if (!rest_.empty() && !take_line_break()) throw error("there is text behind a closing quote");
    return fields;
  }

  bool is_comment() const { return is_comment_; }
  /// Line on which the last record began.
  std::size_t line() const { return start_; }
  std::string place() const { return where_ + ":" + std::to_string(start_); }
  Error error(const std::string& problem) const { return data_error(problem, place(), remedy); }

 private:
  bool take_line_break() {
    if (!rest_.empty() && rest_.front() == '\r')
      rest_.remove_prefix(rest_.starts_with("\r\n") ? 2 : 1);
    else if (!rest_.empty() && rest_.front() == '\n')
      rest_.remove_prefix(1);
    else
      return false;
    ++line_;
    return true;
  }

  std::string field() {
    if (rest_.empty() || rest_.front() != '"') {
      const std::string_view plain = rest_.substr(0, rest_.find_first_of(",\r\n"));
      rest_.remove_prefix(plain.size());
      return std::string(plain);
    }
    rest_.remove_prefix(1);
    std::string value;
    for (;;) {
      const std::size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) throw error("a quotation is not closed");
      for (const char c : rest_.substr(0, quote))
        line_ += c == '\n' ? 1 : 0;
      value += rest_.substr(0, quote);
      rest_.remove_prefix(quote + 1);
      if (rest_.empty() || rest_.front() != '"') return value;
      value += '"';  // Two quotes inside a quotation are one.
      rest_.remove_prefix(1);
    }
  }

  std::string_view rest_;
  std::string where_;
  std::size_t line_ = 1;   ///< Of the first character of rest_.
  std::size_t start_ = 1;  ///< Of the last record.
  bool is_comment_ = false;
};

template <class T>
std::optional<T> fact(const nlohmann::ordered_json& facts, const char* name) {
  if (!facts.contains(name) || facts.at(name).is_null()) return std::nullopt;
  return facts.at(name).get<T>();
}

/// The two comments that label_list_text begins with. Other comments say nothing to us.
class Header {
 public:
  void read(const std::string& comment, LabelList& list, const Reader& reader) {
    if (comment.starts_with(title)) {
      if (comment != std::string(title) + std::to_string(format_version)) {
        throw data_error("a label list of a format that this msn does not know", reader.place(),
                         "read it with the version that wrote it");
      }
      expected_ = true;
      return;
    }
    if (!expected_) return;
    expected_ = false;
    try {
      const auto facts = parse_json(comment.substr(1), reader.place(), remedy);
      list.data_set = fact<std::string>(facts, "data_set").value_or("");
      list.fingerprint = fact<std::string>(facts, "fingerprint").value_or("");
      list.per_class = fact<std::uint64_t>(facts, "per_class");
      list.seed = fact<std::uint64_t>(facts, "seed");
    } catch (const nlohmann::json::exception&) {
      throw reader.error("the header's second line is not as msn subset writes it");
    }
  }

 private:
  bool expected_ = false;  ///< The facts follow.
};

}  // namespace

std::string label_list_text(const LabelList& list) {
  nlohmann::ordered_json facts = {{"data_set", list.data_set}, {"fingerprint", list.fingerprint}};
  if (list.per_class) facts["per_class"] = *list.per_class;
  if (list.seed) facts["seed"] = *list.seed;
  std::string text = std::string(title) + std::to_string(format_version) + "\n# " + facts.dump() + "\n";
  for (const LabelListEntry& entry : list.entries)
    text += field_text(entry.name) + "," + field_text(entry.class_name) + "\n";
  return text;
}

LabelList parse_label_list(std::string_view text, const std::string& where) {
  if (!is_utf8(std::string(text))) throw data_error("the label list is not UTF-8", where, "save it as UTF-8");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // A byte order mark.
  LabelList list;
  Header header;
  Reader reader(text, where);
  std::unordered_map<std::string, std::size_t> lines;
  for (auto fields = reader.next(); !fields.empty(); fields = reader.next()) {
    if (reader.is_comment()) {
      header.read(fields.front(), list, reader);
      continue;
    }
    if (fields.size() > 2) {
      throw reader.error("the line has " + std::to_string(fields.size()) +
                         " fields, not a name and a class: a comma in a name wants quotes around the name");
    }
    if (fields.front().empty()) throw reader.error("the line has no name");
    const auto [earlier, is_new] = lines.emplace(fields.front(), reader.line());
    if (!is_new) {
      throw reader.error("the name \"" + one_line(fields.front()) + "\" is on line " + std::to_string(earlier->second) +
                         " already");
    }
    list.entries.push_back({fields.front(), fields.size() == 2 ? fields.back() : std::string(), reader.line()});
  }
  if (list.entries.empty()) throw data_error("the label list names no image", where, remedy);
  return list;
}

LabelList read_label_list(const std::filesystem::path& file) {
  return parse_label_list(read_text(file), file.string());
}

}  // namespace msn
