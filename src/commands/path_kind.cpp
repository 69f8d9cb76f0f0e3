// SPDX-License-Identifier: Apache-2.0
#include "commands/path_kind.hpp"

#include <system_error>
#include <utility>

#include "base/error.hpp"

namespace msn {

namespace fs = std::filesystem;

PathKind path_kind(const fs::path& path) {
  constexpr std::pair<const char*, PathKind> signs[] = {
      {"manifest.json", PathKind::checkpoint}, {"checkpoints", PathKind::run}, {"dataset.json", PathKind::data_set}};
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw data_error("there is nothing here", path.string(), "check the path");
  for (const auto& [sign, kind] : signs) {
    if (fs::exists(path / sign, ignored)) return kind;
  }
  throw data_error("neither a data set, a checkpoint nor a run folder", path.string(),
                   "give a folder with a dataset.json, a manifest.json or a checkpoints folder in it");
}

}  // namespace msn
