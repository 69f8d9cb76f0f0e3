// SPDX-License-Identifier: Apache-2.0
#include "data/training_data.hpp"

#include <utility>

#include "base/error.hpp"

namespace msn {

namespace {

TrainingSet open_set(const Config& config, const DataSetConfig& part) {
  TrainingSet set;
  set.store = std::make_unique<SampleStore>(part.path);
  if (config.data.cache == DataCache::ram) set.cache = std::make_unique<ByteCache>(set.store->count());
  set.views = config.views;
  if (part.mean) set.views.mean = *part.mean;
  if (part.std) set.views.std = *part.std;
  return set;
}

}  // namespace

TrainingData open_training_data(const Config& config) {
  std::vector<DataSetConfig> parts = config.data.sets;
  if (parts.empty()) parts.push_back({.path = config.data.path});
  std::vector<TrainingSet> sets;
  std::vector<MixtureSet> shares;
  std::uint64_t images = 0;
  for (const DataSetConfig& part : parts) {
    sets.push_back(open_set(config, part));
    const std::uint64_t count = sets.back().store->count();
    shares.push_back({count, part.weight > 0 ? part.weight : static_cast<double>(count)});
    images += count;
  }
  if (images < static_cast<std::uint64_t>(config.train.global_batch)) {
    throw data_error("the data set has " + std::to_string(images) + " images, fewer than one global batch of " +
                         std::to_string(config.train.global_batch),
                     parts.front().path.string(), "pack more images or lower train.global_batch");
  }
  Mixture mixture(std::move(shares), config.train.seed, sample_order(config.data),
                  static_cast<std::uint64_t>(config.data.epoch_images), config.train.global_batch);
  return {std::move(sets), std::move(mixture)};
}

std::string fingerprint(const TrainingData& data) {
  std::string all;
  for (const TrainingSet& set : data.sets)
    all += (all.empty() ? "" : "+") + set.store->manifest().fingerprint;
  return all;
}

std::uint64_t image_count(const TrainingData& data) {
  std::uint64_t images = 0;
  for (const TrainingSet& set : data.sets)
    images += set.store->count();
  return images;
}

std::uint64_t shard_bytes(const TrainingData& data) {
  std::uint64_t bytes = 0;
  for (const TrainingSet& set : data.sets) {
    for (const ShardEntry& shard : set.store->manifest().shards)
      bytes += shard.size;
  }
  return bytes;
}

}  // namespace msn
