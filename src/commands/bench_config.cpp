// SPDX-License-Identifier: Apache-2.0
#include "commands/bench_config.hpp"

namespace msn {

void add_bench_config(CLI::App& app, const std::string& what, std::filesystem::path& file,
                      std::vector<std::string>& overrides) {
  app.add_option("CONFIG", file, what + "; without it the published ViT-S/16 model");
  app.add_option("--set", overrides, "Override a key: section.key=value; may be given again")->expected(1)->take_all();
}

Config bench_config(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  return file.empty() ? parse_config("", "the defaults", overrides) : load_config(file, overrides);
}

}  // namespace msn
