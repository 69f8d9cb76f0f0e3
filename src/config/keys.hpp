// SPDX-License-Identifier: Apache-2.0
// The one table of all keys. Parsing, printing, the digest, comparing and the check of docs/configuration.md walk it,
// so that a key is described once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// A whole number in [min, max].
struct WholeField {
  int& (*at)(Config&);
  int min;
  int max;
};

/// A whole number from 0 to 2^63 - 1, the largest that TOML can hold.
struct SeedField {
  std::uint64_t& (*at)(Config&);
};

/// A finite number, or a list of as many as `at` gives.
struct RealField {
  std::span<double> (*at)(Config&);
  double min;
  double max;
  bool above_min = false;  ///< `min` itself is refused.
  bool list = false;
};

/// true or false.
struct SwitchField {
  bool& (*at)(Config&);
};

/// The name of a file or folder.
struct PathField {
  std::filesystem::path& (*at)(Config&);
  std::string_view what = "the name of a folder, in quotes";  ///< As accepted_values() says it.
};

/// One of `names`.
struct ChoiceField {
  std::span<const std::string_view> names;
  std::size_t (*get)(Config&);  ///< Index into names; names.size() if the field holds none of them.
  void (*set)(Config&, std::size_t);
};

/// A list of some of `names`, each at most once.
struct NamesField {
  std::span<const std::string_view> names;
  std::vector<std::string>& (*at)(Config&);
};

struct Key {
  std::string_view section;
  std::string_view name;
  std::variant<WholeField, SeedField, RealField, SwitchField, PathField, ChoiceField, NamesField> field;
  Effect effect = Effect::numbers;

  std::string full_name() const { return std::string(section) + "." + std::string(name); }
};

/// Every key, section by section, in the order of printing.
std::span<const Key> all_keys();

/// The keys of a table [[data.set]]. They read and write the last of data.sets, which they make if there is none.
std::span<const Key> set_keys();
inline constexpr std::string_view kSetTable = "data.set";

/// The key of that section and name, or nullptr; kSetTable counts as a section.
const Key* find_key(std::string_view section, std::string_view name);

/// The key's value in the given set as TOML text; empty if the set leaves it out.
std::string set_value_text(const Key& key, const DataSetConfig& set);

/// Whether a section of that name exists.
bool is_section(std::string_view section);

/// The key's value as TOML text. Throws config_error if it cannot be written as TOML.
std::string value_text(const Key& key, const Config& config);

/// What the key accepts, as the end of a sentence that begins with "must be": "a whole number from 1 to 64".
std::string accepted_values(const Key& key);

}  // namespace msn
