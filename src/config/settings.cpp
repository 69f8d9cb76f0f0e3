// SPDX-License-Identifier: Apache-2.0
#include "config/settings.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <tuple>

#include "base/error.hpp"
#include "config/limits.hpp"
#include "config/toml_text.hpp"

namespace msn {
namespace {

struct Found {
  Setting setting;
  toml::source_position where;
};

std::string text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_floating_point(); number != nullptr && std::isfinite(number->get()))
    return number_text(number->get());  // The parser's own text has 17 digits.
  if (const auto* list = node.as_array()) {
    std::string items;
    for (const toml::node& item : *list)
      items += (items.empty() ? "" : ", ") + text_of(item);
    return "[" + items + "]";
  }
  std::ostringstream out;
  node.visit([&](const auto& value) { out << value; });
  return out.str();
}

void collect(const toml::node& node, const std::string& key, std::vector<Found>& found) {
  const auto below = [&](std::string_view name) {
    return key.empty() ? std::string(name) : key + "." + std::string(name);
  };
  if (const auto* table = node.as_table()) {
    for (const auto& [name, value] : *table)
      collect(value, below(name.str()), found);
  } else if (const auto* list = node.as_array(); list != nullptr && list->is_homogeneous(toml::node_type::table)) {
    std::size_t number = 0;
    for (const toml::node& value : *list)
      collect(value, below(std::to_string(number++)), found);
  } else {
    found.push_back({{key, text_of(node)}, node.source().begin});
  }
}

}  // namespace

std::vector<Setting> read_settings(std::string_view text, const std::string& name) {
  check_limits(text, name);
  std::vector<Found> found;
  try {
    collect(toml::parse(text, name), "", found);
  } catch (const toml::parse_error& error) {
    throw config_error("not valid TOML: " + std::string(error.description()), name);
  }
  // A table of the parser is sorted by name.
  std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) {
    return std::tie(a.where.line, a.where.column) < std::tie(b.where.line, b.where.column);
  });
  std::vector<Setting> settings;
  for (Found& one : found)
    settings.push_back(std::move(one.setting));
  return settings;
}

}  // namespace msn
