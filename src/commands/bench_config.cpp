// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_config.hpp"

namespace msn {

Config bench_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return file.empty() ? parse_config("", "the defaults", overrides) : load_config(file, overrides);
}

}  // namespace msn
