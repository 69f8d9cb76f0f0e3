// SPDX-License-Identifier: Apache-2.0
#include "train/open_data.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_size.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"
#include "data/dataset.hpp"
#include "data/sampler.hpp"
#include "data/staging.hpp"

namespace msn {

namespace {

std::vector<std::filesystem::path*> paths_of(Config& config) {
  std::vector<std::filesystem::path*> paths;
  for (DataSetConfig& set : config.data.sets)
    paths.push_back(&set.path);
  if (paths.empty()) paths.push_back(&config.data.path);
  return paths;
}

/// Copies the data sets to this node's disk, and names the copies in `config`.
void stage(const World& world, Config& config) {
  for (std::filesystem::path* path : paths_of(config)) {
    world.agree([&] {
      if (world.local_rank() == 0)
        stage_dataset(*path, config.data.staging, [](const std::string& line) { log::info(line); });
    });
    world.agree([&] { *path = staged_folder(*path, config.data.staging); });
    log::info("reading the staged copy " + path->string());
  }
}

/// What is wrong with a data set that rank 0 has and another host has not is where it lies.
void check_visible(const World& world, Config& config) {
  for (const std::filesystem::path* path : paths_of(config)) {
    std::error_code ignored;
    const bool here = std::filesystem::exists(*path / "dataset.json", ignored);
    const bool at_root = world.broadcast(here ? "1" : "") == "1";
    world.agree([&] {
      if (!at_root || here) return;
      throw data_error("the data set that rank 0 has is not on this host", std::filesystem::absolute(*path).string(),
                       "put it on a file system that all hosts share, or the same on each host");
    });
  }
}

/// Each rank looks at some shards, so that each is looked at once.
void check_shards(const World& world, const TrainingData& data) {
  for (const TrainingSet& set : data.sets) {
    const std::vector<ShardEntry>& shards = set.store->manifest().shards;
    for (auto i = static_cast<std::size_t>(world.rank()); i < shards.size();
         i += static_cast<std::size_t>(world.size()))
      check_shard_file(set.store->folder(), shards[i]);
  }
}

void check_cache(const World& world, const TrainingData& data, std::uint64_t other_bytes) {
  const auto ranks = static_cast<std::uint64_t>(world.local_size());
  const std::uint64_t cache = shard_bytes(data);
  const std::uint64_t available = available_memory();
  const std::uint64_t need = ranks * (cache + other_bytes);
  if (need > available) {
    throw config_error("data.cache = \"ram\" needs " + gib_text(need) + " (" + std::to_string(world.local_size()) +
                           " ranks of this host, " + gib_text(cache) + " of images and " + gib_text(other_bytes) +
                           " of the model and its views each), the host has " + gib_text(available) + " available",
                       "data.cache",
                       "leave it out; data.staging = \"/dev/shm\" keeps one copy for all ranks of a host");
  }
  log::info("keeping encoded images in memory after their first read: at most " + gib_text(cache) + " a rank");
}

}  // namespace

void check_batch(const Config& config, int ranks) {
  check_batch_shares(config.train.global_batch, ranks);
  if (config.train.global_batch < 2) {
    throw config_error("batch normalisation needs at least 2 images a step", "train.global_batch");
  }
}

TrainingData open_data(const World& world, const Config& config, std::uint64_t other_bytes) {
  Config here = config;
  world.agree([&] { check_batch(config, world.size()); });
  check_visible(world, here);
  if (!config.data.staging.empty()) stage(world, here);
  std::optional<TrainingData> data;
  world.agree([&] {
    data.emplace(open_training_data(here));
    check_shards(world, *data);
  });
  const std::string first = world.broadcast(fingerprint(*data));
  world.agree([&] {
    if (fingerprint(*data) != first) {
      throw data_error("the data is not that of rank 0: another fingerprint",
                       data->sets.front().store->folder().string(), "give every host the same packed data set");
    }
    if (here.data.cache == DataCache::ram) check_cache(world, *data, other_bytes);
  });
  for (std::size_t s = 0; data->sets.size() > 1 && s < data->sets.size(); ++s) {
    const SampleStore& store = *data->sets[s].store;
    log::info("data set " + std::to_string(s + 1) + " of " + std::to_string(data->sets.size()) + ": " +
              std::to_string(data->mixture.draws_of(s)) + " of the " + std::to_string(data->mixture.epoch_images()) +
              " images of an epoch come from the " + std::to_string(store.count()) + " of " + store.folder().string());
  }
  return std::move(*data);
}

}  // namespace msn
