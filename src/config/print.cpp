// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "config/config.hpp"
#include "config/keys.hpp"
#include "config/nearest.hpp"

namespace msn {

namespace {

enum class Keys { all, of_numbers };

// The keys that a set gives, one after the other.
std::string set_text(const DataSetConfig& set, std::string_view between, std::string_view after,
                     Keys which = Keys::all) {
  std::string out;
  for (const Key& key : set_keys()) {
    const std::string value = set_value_text(key, set);
    if (value.empty() || (which == Keys::of_numbers && key.effect != Effect::numbers)) continue;
    out.append(key.name).append(between).append(value).append(after);
  }
  return out;
}

// All sets as one text; empty without sets.
std::string sets_text(const Config& config, Keys which) {
  std::string out;
  for (const DataSetConfig& set : config.data.sets)
    out += "{ " + set_text(set, " = ", " ", which) + "}";
  return out;
}

// What of the sets decides numbers. The weight of a single set does not, and without a mean and standard deviation of
// its own it is the same as data.path.
std::string numbers_of_sets(const Config& config) {
  if (config.data.sets.size() != 1) return sets_text(config, Keys::of_numbers);
  Config plain = config;
  DataSetConfig& set = plain.data.sets.front();
  set.weight = 0;
  return set.mean || set.std ? sets_text(plain, Keys::of_numbers) : std::string();
}

}  // namespace

std::string to_toml(const Config& config) {
  std::string out;
  std::string_view section;
  for (const Key& key : all_keys()) {
    if (key.section != section) {
      if (section == "data") {
        for (const DataSetConfig& set : config.data.sets)
          out += "\n[[data.set]]\n" + set_text(set, " = ", "\n");
      }
      if (!section.empty()) out += '\n';
      out.append("[").append(key.section).append("]\n");
      section = key.section;
    }
    // The file says where the data is in one place only, or it would not read back.
    if (key.full_name() == "data.path" && !config.data.sets.empty()) continue;
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
  const std::string sets = numbers_of_sets(config);
  if (!sets.empty()) hasher.update("data.set = " + sets + "\n");
  return hasher.hex();
}

std::vector<ConfigDifference> compare_configs(const Config& before, const Config& after) {
  std::vector<ConfigDifference> differences;
  for (const Key& key : all_keys()) {
    std::string old_text = value_text(key, before);
    std::string new_text = value_text(key, after);
    if (old_text != new_text) {
      differences.push_back({key.full_name(), std::move(old_text), std::move(new_text), key.effect});
    }
  }
  std::string old_sets = sets_text(before, Keys::all);
  std::string new_sets = sets_text(after, Keys::all);
  if (old_sets != new_sets) {
    const bool numbers = numbers_of_sets(before) != numbers_of_sets(after);
    differences.push_back(
        {std::string(kSetTable), std::move(old_sets), std::move(new_sets), numbers ? Effect::numbers : Effect::none});
  }
  return differences;
}

void require_known_key(const std::string& key) {
  std::vector<std::string> names{std::string(kSetTable)};
  for (const Key& known : all_keys())
    names.push_back(known.full_name());
  if (std::find(names.begin(), names.end(), key) != names.end()) return;
  throw usage_error("no such key: " + key, "--force-resume", "the nearest known key is " + nearest_name(key, names));
}

}  // namespace msn
