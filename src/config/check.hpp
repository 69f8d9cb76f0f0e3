// SPDX-License-Identifier: Apache-2.0
// What one key alone cannot tell: the arch presets, and fields that contradict each other.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "config/config.hpp"

namespace msn {

/// Where a key was set: the place for messages, and whether by an override.
struct Place {
  std::string text;
  bool override = false;
};

/// The keys that were set, by full name. A key that is absent has its default.
using Places = std::map<std::string, Place, std::less<>>;

/// Throws config_error if data.path and tables [[data.set]] are both in the file, if only some of the tables have a
/// weight, or if data.epoch_images is set without them; a data.path that is an override drops the tables.
void resolve_sets(Config& config, const Places& places);

/// Fills width, depth and heads from a named arch, or makes the arch custom if only they were given. Throws
/// config_error if they contradict a named arch, or if a custom one lacks one of them.
void resolve_arch(Config& config, const Places& places);

/// Throws config_error for the first pair of fields that contradict each other.
void check_together(const Config& config, const Places& places);

}  // namespace msn
