// SPDX-License-Identifier: Apache-2.0
#include "train/input.hpp"

#include "base/log.hpp"
#include "data/loader.hpp"
#include "data/synthetic_batches.hpp"
#include "kernels/device/space.hpp"
#include "train/open_data.hpp"
#include "train/pinned_memory.hpp"
#include "train/plan.hpp"
#include "train/threads.hpp"
#include "train/views_on.hpp"

namespace msn {

std::uint64_t synthetic_images(const Config& config) {
  return config.data.epoch_images > 0 ? static_cast<std::uint64_t>(config.data.epoch_images) : kImageNetImages;
}

TrainingInput open_input(const World& world, const Config& config, std::uint64_t other_bytes) {
  TrainingInput input;
  if (config.data.input == DataInput::synthetic) {
    world.agree([&] { check_batch(config, world.size()); });
    log::warn("data.input = \"synthetic\": training on made-up numbers, to measure the rest; it learns nothing");
    input.fingerprint = "synthetic";
    input.images = input.epoch_images = synthetic_images(config);
    return input;
  }
  input.data = open_data(world, config, other_bytes);
  input.fingerprint = fingerprint(*input.data);
  input.images = image_count(*input.data);
  input.epoch_images = input.data->mixture.epoch_images();
  return input;
}

std::unique_ptr<BatchSource> make_batches(const TrainingInput& input, const Config& config, const World& world,
                                          std::uint64_t first_step, c10::Device device) {
  BatchOptions options{.global_batch = config.train.global_batch,
                       .patch_size = config.model.patch_size,
                       .rank = world.rank(),
                       .world_size = world.size(),
                       .first_step = first_step,
                       .memory = host_memory_for(device)};
  world.agree([&] {
    options.views = views_made(config.runtime.views_on, !device.is_cpu(), kernels::device::computes_on_gpu());
  });
  if (!input.data) return std::make_unique<SyntheticBatches>(config, input.images, options);
  return std::make_unique<Loader>(*input.data, options, loader_threads(world, config));
}

std::vector<Normaliser> normalisers(const TrainingInput& input) {
  std::vector<Normaliser> all;
  if (!input.data) return all;
  for (const TrainingSet& set : input.data->sets)
    all.emplace_back(set.views);
  return all;
}

}  // namespace msn
