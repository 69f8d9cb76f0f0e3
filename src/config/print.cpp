// SPDX-License-Identifier: Apache-2.0
#include "base/hash.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"

namespace msn {

std::string to_toml(const Config& config) {
  std::string out;
  std::string_view section;
  for (const Key& key : all_keys()) {
    if (key.section != section) {
      if (!section.empty()) out += '\n';
      out.append("[").append(key.section).append("]\n");
      section = key.section;
    }
    out.append(key.name).append(" = ").append(value_text(key, config)).append("\n");
  }
  return out;
}

std::string config_digest(const Config& config) {
  Hasher hasher;
  const Config defaults;
  for (const Key& key : all_keys()) {
    // Defaults are left out, so that a key that a later version adds leaves the digest of an older run as it was.
    const std::string value = value_text(key, config);
    if (key.effect == Effect::numbers && value != value_text(key, defaults)) {
      hasher.update(key.full_name() + " = " + value + "\n");
    }
  }
  return hasher.hex();
}

std::vector<ConfigDifference> compare_configs(const Config& before, const Config& after) {
  std::vector<ConfigDifference> differences;
  for (const Key& key : all_keys()) {
    std::string old_text = value_text(key, before);
    std::string new_text = value_text(key, after);
    if (old_text != new_text) {
      differences.push_back({key.full_name(), std::move(old_text), std::move(new_text), key.effect == Effect::numbers});
    }
  }
  return differences;
}

}  // namespace msn
