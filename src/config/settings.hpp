// SPDX-License-Identifier: Apache-2.0
// The values of a configuration as text, whichever version of msn wrote it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace msn {

struct Setting {
  std::string key;    ///< "optim.lr"; of a table in a list with its number: "data.set.0.path".
  std::string value;  ///< As a configuration has it; texts without quotes.
};

/// Every value of a TOML text, known or not, in the order of the text. Throws config_error for what is no TOML or
/// beyond the limits of a configuration (config/limits.hpp); `name` is used in messages.
std::vector<Setting> read_settings(std::string_view text, const std::string& name);

}  // namespace msn
