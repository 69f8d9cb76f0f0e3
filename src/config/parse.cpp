// SPDX-License-Identifier: Apache-2.0
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <system_error>
#include <type_traits>
#include <variant>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/utf8.hpp"
#include "config/check.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"
#include "config/limits.hpp"
#include "config/nearest.hpp"

namespace msn {

namespace {

constexpr std::string_view kKeysPage = "docs/configuration.md lists the keys";

// Text of a user in a message: at most a few words of it.
std::string shown(std::string_view text) {
  constexpr std::size_t limit = 80;
  return text.size() <= limit ? std::string(text) : std::string(text.substr(0, limit)) + "...";
}

std::string position_text(const std::string& name, const toml::source_position& at) {
  return name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

// Where values come from: a file, whose parts have lines and columns, or the text of an override.
struct Source {
  std::string name;
  bool override = false;

  std::string at(const toml::source_region& region) const {
    return override ? name : position_text(name, region.begin);
  }
};

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction or exponent";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

// The value as it stands in a message: its type, and the value itself where that is short and clear.
std::string described(const toml::node& node) {
  std::ostringstream value;
  if (const auto* text = node.as_string()) value << '"' << shown(text->get()) << '"';
  if (const auto* whole = node.as_integer()) value << whole->get();
  if (const auto* real = node.as_floating_point()) value << real->get();
  if (const auto* flag = node.as_boolean()) value << (flag->get() ? "true" : "false");
  return value.str().empty() ? type_name(node) : value.str();
}

Error refused(const Key& key, const toml::node& node, const Source& source) {
  return config_error(key.full_name() + " is " + described(node), source.at(node.source()),
                      "it must be " + accepted_values(key));
}

double read_real(const Key& key, const RealField& field, const toml::node& node, const Source& source) {
  double value = 0;
  // By the type as written: toml++ would convert between the two when asked for a value.
  if (const auto* real = node.as_floating_point()) {
    value = real->get();
  } else if (const auto* whole = node.as_integer()) {
    value = static_cast<double>(whole->get());
  } else {
    throw refused(key, node, source);
  }
  const bool inside = value <= field.max && (field.above_min ? value > field.min : value >= field.min);
  if (!std::isfinite(value) || !inside) throw refused(key, node, source);
  return value + 0.0;  // -0 becomes 0, so that equal numbers have equal texts
}

std::vector<std::string> read_names(const Key& key, const NamesField& field, const toml::node& node,
                                    const Source& source) {
  const auto* list = node.as_array();
  if (list == nullptr) throw refused(key, node, source);
  std::vector<std::string> names;
  for (const toml::node& one : *list) {
    const auto* text = one.as_string();
    const bool known =
        text != nullptr && std::find(field.names.begin(), field.names.end(), text->get()) != field.names.end();
    const bool twice = known && std::find(names.begin(), names.end(), text->get()) != names.end();
    if (!known || twice) {
      throw config_error(key.full_name() + " holds " + described(one) + (twice ? " twice" : ""),
                         source.at(one.source()), "it must be " + accepted_values(key));
    }
    names.push_back(text->get());
  }
  return names;
}

void assign(const Key& key, const toml::node& node, const Source& source, Config& config) {
  std::visit(
      [&](const auto& field) {
        using Field = std::decay_t<decltype(field)>;
        if constexpr (std::is_same_v<Field, WholeField>) {
          const auto* whole = node.as_integer();
          if (whole == nullptr || whole->get() < field.min || whole->get() > field.max) {
            throw refused(key, node, source);
          }
          field.at(config) = static_cast<int>(whole->get());
        } else if constexpr (std::is_same_v<Field, SeedField>) {
          const auto* whole = node.as_integer();
          if (whole == nullptr || whole->get() < 0) throw refused(key, node, source);
          field.at(config) = static_cast<std::uint64_t>(whole->get());
        } else if constexpr (std::is_same_v<Field, RealField>) {
          const auto values = field.at(config);
          if (!field.list) {
            values[0] = read_real(key, field, node, source);
            return;
          }
          const auto* list = node.as_array();
          if (list == nullptr) throw refused(key, node, source);
          if (list->size() != values.size()) {
            throw config_error(key.full_name() + " has " + std::to_string(list->size()) + " numbers",
                               source.at(node.source()), "it must be " + accepted_values(key));
          }
          for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = read_real(key, field, *list->get(i), source);
        } else if constexpr (std::is_same_v<Field, SwitchField>) {
          const auto* flag = node.as_boolean();
          if (flag == nullptr) throw refused(key, node, source);
          field.at(config) = flag->get();
        } else if constexpr (std::is_same_v<Field, PathField>) {
          const auto* text = node.as_string();
          if (text == nullptr) throw refused(key, node, source);
          if (text->get().find('\0') != std::string::npos || !is_utf8(text->get())) {
            throw config_error(key.full_name() + " holds a NUL character or bytes that are no UTF-8",
                               source.at(node.source()), "it must be " + accepted_values(key));
          }
          field.at(config) = text->get();
        } else if constexpr (std::is_same_v<Field, NamesField>) {
          field.at(config) = read_names(key, field, node, source);
        } else {
          static_assert(std::is_same_v<Field, ChoiceField>);
          const auto* text = node.as_string();
          const auto found =
              text == nullptr ? field.names.end() : std::find(field.names.begin(), field.names.end(), text->get());
          if (found == field.names.end()) throw refused(key, node, source);
          field.set(config, static_cast<std::size_t>(found - field.names.begin()));
        }
      },
      key.field);
}

// Nearest known key: the same name in another section counts as near as one wrong letter.
std::string nearest_key(std::string_view section, std::string_view name) {
  const std::string full = std::string(section) + "." + std::string(name);
  std::string best;
  std::size_t best_distance = 0;
  for (const Key& key : section == kSetTable ? set_keys() : all_keys()) {
    const std::size_t distance = key.name == name ? 1 : edit_distance(full, key.full_name());
    if (best.empty() || distance < best_distance) {
      best = key.full_name();
      best_distance = distance;
    }
  }
  return best;
}

Error unknown_key(std::string_view section, std::string_view name, const std::string& where) {
  const std::string full = section.empty() ? std::string(name) : std::string(section) + "." + std::string(name);
  return config_error(
      "unknown key \"" + shown(full) + "\"", where,
      "the nearest known key is \"" + nearest_key(shown(section), shown(name)) + "\"; " + std::string(kKeysPage));
}

Error unknown_section(std::string_view section, const std::string& where) {
  std::vector<std::string> sections;
  for (const Key& key : all_keys()) {
    if (sections.empty() || sections.back() != key.section) sections.emplace_back(key.section);
  }
  return config_error(
      "unknown section [" + shown(section) + "]", where,
      "the nearest known section is [" + nearest_name(shown(section), sections) + "]; " + std::string(kKeysPage));
}

void apply(std::string_view section, const toml::key& name, const toml::node& node, const Source& source,
           Config& config, Places& places) {
  const Key* key = find_key(section, name.str());
  if (key == nullptr) throw unknown_key(section, name.str(), source.at(name.source()));
  assign(*key, node, source, config);
  places.insert_or_assign(key->full_name(), Place{source.at(name.source()), source.override});
}

// The tables [[data.set]].
void apply_sets(const toml::key& name, const toml::node& node, const Source& source, Config& config, Places& places) {
  const auto* tables = node.as_array();
  if (tables == nullptr || tables->empty() || !tables->is_array_of_tables()) {
    throw config_error("data.set is " + (tables == nullptr ? type_name(node) : "a list"), source.at(name.source()),
                       "each data set must be a table that begins with the line [[data.set]]");
  }
  for (const toml::node& one : *tables) {
    config.data.sets.emplace_back();
    for (const auto& [name_of_key, value] : *one.as_table())
      apply(kSetTable, name_of_key, value, source, config, places);
    if (config.data.sets.back().path.empty()) {
      throw config_error("a data set has no path", source.at(one.source()), "name the folder of a packed data set");
    }
  }
  places.insert_or_assign(std::string(kSetTable), Place{source.at(name.source()), source.override});
}

toml::table parse_toml(std::string_view text, const std::string& name) {
  check_limits(text, name);
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    throw config_error(std::string(error.description()), position_text(name, error.source().begin),
                       "correct the TOML there");
  }
}

void apply_file(std::string_view text, const std::string& name, Config& config, Places& places) {
  const toml::table table = parse_toml(text, name);
  const Source source{name};
  for (const auto& [section, node] : table) {
    const std::string where = source.at(section.source());
    const auto* keys = node.as_table();
    if (keys == nullptr && is_section(section.str())) {
      throw config_error("[" + std::string(section.str()) + "] is " + type_name(node), where,
                         "it must be a section that begins with the line [" + std::string(section.str()) + "]");
    }
    if (keys == nullptr) throw unknown_key({}, section.str(), where);
    if (!is_section(section.str())) throw unknown_section(section.str(), where);
    for (const auto& [name_of_key, value] : *keys) {
      if (section.str() == "data" && name_of_key.str() == "set") {
        apply_sets(name_of_key, value, source, config, places);
      } else {
        apply(section.str(), name_of_key, value, source, config, places);
      }
    }
  }
}

// Splits and applies one "section.key=value".
void apply_override(const std::string& text, Config& config, Places& places) {
  const Source source{"--set " + shown(text), true};
  const auto trimmed = [](std::string_view part) {
    const auto first = part.find_first_not_of(" \t");
    if (first == std::string_view::npos) return std::string_view();
    return part.substr(first, part.find_last_not_of(" \t") - first + 1);
  };
  const std::size_t equals = text.find('=');
  const std::string_view full = trimmed(std::string_view(text).substr(0, equals));
  const std::size_t dot = full.find('.');
  if (equals == std::string::npos || dot == std::string_view::npos) {
    throw config_error("an override is not of the form section.key=value", source.name,
                       "write for example --set train.seed=1");
  }
  const std::string_view section = full.substr(0, dot);
  const std::string_view name = full.substr(dot + 1);
  const std::string_view value = trimmed(std::string_view(text).substr(equals + 1));
  if (full == kSetTable || full.starts_with("data.set.")) {
    throw config_error("the tables [[data.set]] cannot be overridden", source.name,
                       "change the file, or name one data set with data.path");
  }
  if (!is_section(section)) throw unknown_section(section, source.name);
  const Key* key = find_key(section, name);
  if (key == nullptr) throw unknown_key(section, name, source.name);
  const std::string remedy = key->full_name() + " must be " + accepted_values(*key);
  if (value.empty() || value.find('\n') != std::string_view::npos) {
    throw config_error(value.empty() ? "an override has no value" : "an override has more than one line", source.name,
                       remedy);
  }

  // A bare word is text. Quotes and brackets announce TOML, whose errors the user should then see.
  toml::table table;
  try {
    table = parse_toml("v = " + std::string(value), source.name);
  } catch (const Error& error) {
    const bool takes_text =
        std::holds_alternative<PathField>(key->field) || std::holds_alternative<ChoiceField>(key->field);
    if (!takes_text || std::string_view("\"'[{").find(value.front()) != std::string_view::npos) {
      throw config_error(takes_text ? error.problem() : "the value of an override is no TOML value", source.name,
                         remedy);
    }
    table.insert_or_assign("v", std::string(value));
  }
  assign(*key, *table.get("v"), source, config);
  places.insert_or_assign(key->full_name(), Place{source.name, true});
}

}  // namespace

Config parse_config(std::string_view text, const std::string& name, const std::vector<std::string>& overrides) {
  Config config;
  Places places;
  apply_file(text, name, config, places);
  for (const std::string& text_of_override : overrides)
    apply_override(text_of_override, config, places);
  resolve_sets(config, places);
  resolve_arch(config, places);
  check_together(config, places);
  return config;
}

Config load_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  std::string text;
  // A pipe has size 0 and would read as a configuration of defaults.
  std::error_code status_error;
  const auto status = std::filesystem::status(file, status_error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw config_error("the configuration is not a regular file", file.string(), "name a TOML file");
  }
  try {
    text = read_text(file, kMaxConfigBytes);
  } catch (const Error& error) {
    throw config_error(error.problem(), error.where(), "name a TOML file that can be read");
  }
  return parse_config(text, file.string(), overrides);
}

}  // namespace msn
