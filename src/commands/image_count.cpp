// SPDX-License-Identifier: Apache-2.0
#include "commands/image_count.hpp"

#include <algorithm>
#include <filesystem>

#include "data/dataset.hpp"
#include "data/training_data.hpp"
#include "train/input.hpp"
#include "train/plan.hpp"

namespace msn {

ImageCount count_images(const Config& config, std::optional<std::uint64_t> given) {
  if (given) return {*given, "as given"};
  if (config.data.input == DataInput::synthetic) return {synthetic_images(config), "made up"};
  const auto is_there = [](const std::filesystem::path& path) {
    return !path.empty() && std::filesystem::exists(path / "dataset.json");
  };
  const std::vector<DataSetConfig>& sets = config.data.sets;
  if (sets.size() > 1 && std::all_of(sets.begin(), sets.end(), [&](const auto& set) { return is_there(set.path); })) {
    return {open_training_data(config).mixture.epoch_images(),
            "drawn from " + std::to_string(sets.size()) + " data sets"};
  }
  if (sets.size() > 1 && config.data.epoch_images > 0) {
    return {static_cast<std::uint64_t>(config.data.epoch_images), "by data.epoch_images"};
  }
  const std::filesystem::path& path = sets.size() == 1 ? sets.front().path : config.data.path;
  if (is_there(path)) return {read_dataset_manifest(path).count, "of " + path.string()};
  return {kImageNetImages, "of ImageNet-1k, for there is no data set yet"};
}

}  // namespace msn
