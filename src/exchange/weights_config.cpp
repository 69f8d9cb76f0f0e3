// SPDX-License-Identifier: Apache-2.0
#include "exchange/weights_config.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "config/presets.hpp"
#include "config/toml_text.hpp"
#include "exchange/model_json.hpp"

namespace msn {

namespace fs = std::filesystem;

namespace {

fs::path folder_of(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return path;
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

bool has_toml(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.toml", ignored);
}

void require_same(const char* what, std::optional<std::int64_t> said, std::int64_t measured, const std::string& file) {
  if (!said || *said == measured) return;
  throw config_error(std::string(what) + " is " + std::to_string(*said) + " where the tensors beside it have " +
                         std::to_string(measured),
                     file, "keep the file with the weights that it belongs to");
}

const ArchPreset* arch_of(const VitSizes& sizes) {
  const auto found = std::find_if(kArchPresets.begin(), kArchPresets.end(), [&](const ArchPreset& preset) {
    return preset.width == sizes.width && preset.depth == sizes.depth;
  });
  return found == kArchPresets.end() ? nullptr : &*found;
}

std::string list_text(const std::array<double, 3>& numbers) {
  return "[" + number_text(numbers[0]) + ", " + number_text(numbers[1]) + ", " + number_text(numbers[2]) + "]";
}

WeightsConfig from_toml(const fs::path& file, const VitSizes& sizes) {
  Config config = load_config(file);
  const std::string where = file.string();
  require_same("model.width", config.model.width, sizes.width, where);
  require_same("model.depth", config.model.depth, sizes.depth, where);
  require_same("model.patch_size", config.model.patch_size, sizes.patch, where);
  require_same("the grid of model.image_size", config.model.image_size / config.model.patch_size, sizes.grid, where);
  return {config, {}};
}

}  // namespace

WeightsConfig weights_config(const fs::path& path, const VitSizes& sizes, std::optional<int> heads) {
  const fs::path folder = folder_of(path);
  if (has_toml(folder)) {
    WeightsConfig found = from_toml(folder / "config.toml", sizes);
    require_same("model.heads", found.config.model.heads, heads.value_or(found.config.model.heads),
                 (folder / "config.toml").string());
    return found;
  }
  const ModelJson json = read_model_json(folder);
  const std::string where = (folder / "config.json").string();
  require_same("the width", json.width, sizes.width, where);
  require_same("the number of layers", json.depth, sizes.depth, where);
  require_same("patch_size", json.patch_size, sizes.patch, where);
  if (json.image_size) require_same("the grid of image_size", *json.image_size / sizes.patch, sizes.grid, where);
  if (heads) require_same("the number of heads", json.heads, *heads, where);
  const ArchPreset* arch = arch_of(sizes);
  if (!heads) heads = json.heads;
  if (!heads && arch != nullptr) heads = arch->heads;
  if (!heads) {
    throw config_error("nothing says how many attention heads the network has", path.string(),
                       "keep the config.json of the weights beside them, or use msn import --heads N");
  }
  const std::int64_t image = json.image_size.value_or(sizes.grid * sizes.patch);
  const auto set = [](const char* key, const std::string& value) { return std::string(key) + "=" + value; };
  std::vector<std::string> settings{
      set("model.patch_size", std::to_string(sizes.patch)),
      set("model.image_size", std::to_string(image)),
      set("views.random_size", std::to_string(image)),
      // In the proportion of the published sizes, in whole patches.
      set("views.focal_size", std::to_string(std::max<std::int64_t>(1, image * 96 / 224 / sizes.patch) * sizes.patch)),
  };
  if (arch != nullptr && arch->heads == *heads) {
    settings.push_back(set("model.arch", std::string(arch->name)));
  } else {
    settings.push_back(set("model.width", std::to_string(sizes.width)));
    settings.push_back(set("model.depth", std::to_string(sizes.depth)));
    settings.push_back(set("model.heads", std::to_string(*heads)));
  }
  if (sizes.grid == 1) settings.push_back(set("views.mask_ratio", "0"));  // A view keeps a patch at least.
  if (sizes.head_hidden > 0) settings.push_back(set("model.head_hidden", std::to_string(sizes.head_hidden)));
  if (sizes.head_out > 0) settings.push_back(set("model.head_out", std::to_string(sizes.head_out)));
  if (sizes.prototypes > 0) settings.push_back(set("model.prototypes", std::to_string(sizes.prototypes)));
  if (json.mean) settings.push_back(set("views.mean", list_text(*json.mean)));
  if (json.std) settings.push_back(set("views.std", list_text(*json.std)));
  if (json.interpolation) {
    settings.push_back(
        set("views.interpolation", *json.interpolation == Interpolation::bicubic ? "bicubic" : "bilinear"));
  }
  return {parse_config("", path.string(), settings), json.notes};
}

std::optional<int> heads_beside(const fs::path& path) {
  const fs::path folder = folder_of(path);
  if (has_toml(folder)) return load_config(folder / "config.toml").model.heads;
  return read_model_json(folder).heads;
}

}  // namespace msn
