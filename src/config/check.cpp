// SPDX-License-Identifier: Apache-2.0
#include "config/check.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "config/presets.hpp"
#include "config/toml_text.hpp"

namespace msn {

namespace {

// "a.toml:3:1, a.toml:9:1" for those of `keys` that were set, "defaults" if none was.
std::string where(const Places& places, std::initializer_list<std::string_view> keys) {
  std::string out;
  for (const std::string_view key : keys) {
    const auto found = places.find(key);
    if (found != places.end()) out += (out.empty() ? "" : ", ") + found->second.text;
  }
  return out.empty() ? "defaults" : out;
}

// A patch must fit into a square of `side` pixels.
void check_patch_fits(const Config& c, const Places& places, std::string_view key, int side) {
  if (c.model.patch_size > side) {
    throw config_error("model.patch_size = " + std::to_string(c.model.patch_size) + " is larger than " +
                           std::string(key) + " = " + std::to_string(side),
                       where(places, {"model.patch_size", key}), "make the patch smaller or the picture larger");
  }
}

void check_ordered(const Places& places, std::string_view key, const std::array<double, 2>& range) {
  if (range[0] > range[1]) {
    throw config_error(
        std::string(key) + " = [" + number_text(range[0]) + ", " + number_text(range[1]) + "] ends below its start",
        where(places, {key}), "give the smaller number first");
  }
}

void check_evaluate(const Config& c, const Places& places) {
  const EvaluateConfig& evaluate = c.evaluate;
  if (evaluate.every_epochs == 0) {
    if (c.checkpoint.keep_best == 0) return;
    throw config_error("checkpoint.keep_best = " + std::to_string(c.checkpoint.keep_best) +
                           " needs measurements, and evaluate.every_epochs is 0",
                       where(places, {"checkpoint.keep_best", "evaluate.every_epochs"}),
                       "measure every few epochs, or set keep_best = 0");
  }
  for (const auto& [key, path] : {std::pair{"evaluate.train", &evaluate.train}, {"evaluate.test", &evaluate.test}}) {
    if (!path->empty()) continue;
    throw config_error("evaluate.every_epochs = " + std::to_string(evaluate.every_epochs) + " needs " + key,
                       where(places, {"evaluate.every_epochs", key}),
                       "name a packed data set with labels, or set every_epochs = 0");
  }
}

}  // namespace

void use_one_data_set(Config& config, const std::filesystem::path& path) {
  config.data.path = path;
  config.data.sets.clear();
  config.data.epoch_images = 0;
}

void resolve_sets(Config& config, const Places& places) {
  DataConfig& data = config.data;
  const auto path = places.find("data.path");
  if (!data.sets.empty() && path != places.end()) {
    if (!path->second.override) {
      throw config_error("data.path and [[data.set]] are both given", where(places, {"data.path", "data.set"}),
                         "leave one of them out");
    }
    use_one_data_set(config, std::filesystem::path(data.path));
  }
  const auto weighted =
      std::count_if(data.sets.begin(), data.sets.end(), [](const DataSetConfig& set) { return set.weight > 0; });
  if (weighted != 0 && weighted != static_cast<std::ptrdiff_t>(data.sets.size())) {
    throw config_error("only some of the data sets have a weight", where(places, {"data.set"}),
                       "give each [[data.set]] a weight, or none: then each image comes once an epoch");
  }
  if (data.epoch_images > 0 && data.sets.size() < 2 && data.input == DataInput::images) {
    throw config_error("data.epoch_images is set for a single data set", where(places, {"data.epoch_images"}),
                       "leave it out: an epoch is one pass over the data set");
  }
}

void resolve_arch(Config& config, const Places& places) {
  ModelConfig& model = config.model;
  const std::array<std::pair<std::string_view, int*>, 3> sizes{
      {{"model.width", &model.width}, {"model.depth", &model.depth}, {"model.heads", &model.heads}}};
  const auto is_given = [&](std::string_view key) { return places.contains(key); };
  const bool any_size = std::any_of(sizes.begin(), sizes.end(), [&](const auto& s) { return is_given(s.first); });
  if (!is_given("model.arch") && any_size) model.arch = kCustomArch;

  if (model.arch == kCustomArch) {
    for (const auto& [key, value] : sizes) {
      if (!is_given(key)) {
        throw config_error("a custom arch needs " + std::string(key),
                           where(places, {"model.arch", "model.width", "model.depth", "model.heads"}),
                           "give model.width, model.depth and model.heads, or a named model.arch");
      }
    }
    return;
  }

  const auto preset =
      std::find_if(kArchPresets.begin(), kArchPresets.end(), [&](const ArchPreset& p) { return p.name == model.arch; });
  MSN_CHECK(preset != kArchPresets.end());
  const std::array<int, 3> expected{preset->width, preset->depth, preset->heads};
  const auto arch_place = places.find("model.arch");
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto& [key, value] = sizes[i];
    const auto place = places.find(key);
    // An arch named on the command line is newer than the sizes of the file, which then do not count.
    const bool counts = place != places.end() && (place->second.override || !arch_place->second.override);
    if (counts && *value != expected[i]) {
      throw config_error(std::string(key) + " = " + std::to_string(*value) + " contradicts model.arch = \"" +
                             model.arch + "\", whose value is " + std::to_string(expected[i]),
                         where(places, {key, "model.arch"}), "leave it out, or set model.arch = \"custom\"");
    }
    *value = expected[i];
  }
}

void check_together(const Config& c, const Places& places) {
  if (c.model.width % c.model.heads != 0) {
    throw config_error("model.width = " + std::to_string(c.model.width) +
                           " is not divisible by model.heads = " + std::to_string(c.model.heads),
                       where(places, {"model.width", "model.heads"}), "every head takes an equal share of the width");
  }
  check_patch_fits(c, places, "model.image_size", c.model.image_size);
  check_patch_fits(c, places, "views.random_size", c.views.random_size);
  if (c.views.focal > 0) check_patch_fits(c, places, "views.focal_size", c.views.focal_size);

  const std::int64_t side = c.views.random_size / c.model.patch_size;
  const auto kept = static_cast<std::int64_t>(static_cast<double>(side * side) * (1.0 - c.views.mask_ratio));
  if (kept < 1) {
    throw config_error("views.mask_ratio = " + number_text(c.views.mask_ratio) + " keeps none of the " +
                           std::to_string(side * side) + " patches of a random view",
                       where(places, {"views.mask_ratio", "views.random_size", "model.patch_size"}),
                       "lower the ratio, or make the patches smaller");
  }
  check_ordered(places, "views.random_scale", c.views.random_scale);
  check_ordered(places, "views.focal_scale", c.views.focal_scale);
  check_evaluate(c, places);
  if (c.optim.warmup_epochs > c.train.epochs) {
    throw config_error("optim.warmup_epochs = " + number_text(c.optim.warmup_epochs) +
                           " is more than train.epochs = " + std::to_string(c.train.epochs),
                       where(places, {"optim.warmup_epochs", "train.epochs"}), "shorten the warm-up or train longer");
  }
}

}  // namespace msn
