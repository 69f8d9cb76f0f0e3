// SPDX-License-Identifier: Apache-2.0
#include "data/sampler.hpp"

#include <algorithm>
#include <string>

#include "base/error.hpp"
#include "data/permutation.hpp"

namespace msn {

SampleOrder sample_order(const DataConfig& config) {
  return {config.order, static_cast<std::uint64_t>(config.block), static_cast<std::uint64_t>(config.window)};
}

Sampler::Sampler(std::uint64_t samples, std::uint64_t seed, const SampleOrder& order, std::uint32_t set)
    : samples_(samples), seed_(seed), order_(order), set_(set) {
  MSN_CHECK(samples > 0 && samples <= (std::uint64_t{1} << 32) && order.block > 0 && order.window > 0);
}

std::uint64_t Sampler::at(std::uint64_t epoch, std::uint64_t position) const {
  MSN_CHECK(position < samples_);
  if (order_.kind == DataOrder::blockwise) return at_blockwise(epoch, position);
  return Permutation(samples_, {seed_, epoch, Purpose::shuffle, set_}).at(position);
}

std::uint64_t Sampler::at_blockwise(std::uint64_t epoch, std::uint64_t position) const {
  const std::uint64_t block = order_.block;
  const std::uint64_t blocks = (samples_ + block - 1) / block;
  const Permutation order(blocks, {seed_, epoch, Purpose::shuffle_blocks, set_});
  // The last block may be shorter than the others; it comes at `short_place`, and what follows begins earlier.
  const std::uint64_t missing = blocks * block - samples_;
  const std::uint64_t short_place = order.place_of(blocks - 1);
  const auto begin_of = [&](std::uint64_t place) { return place * block - (place > short_place ? missing : 0); };
  const auto place_at = [&](std::uint64_t at) { return (at < begin_of(short_place + 1) ? at : at + missing) / block; };

  const std::uint64_t window = place_at(position) / order_.window;
  const std::uint64_t begin = begin_of(window * order_.window);
  const std::uint64_t end = begin_of(std::min(blocks, (window + 1) * order_.window));
  const Permutation within(end - begin,
                           {seed_, epoch, Purpose::shuffle_window, set_, static_cast<std::uint32_t>(window)});
  const std::uint64_t at = begin + within.at(position - begin);
  const std::uint64_t place = place_at(at);
  return order.at(place) * block + (at - begin_of(place));
}

std::uint64_t Sampler::replacement(std::uint64_t epoch, std::uint64_t sample) const {
  const Permutation order(samples_, {seed_, epoch, Purpose::replacement, set_});
  return order.at((order.place_of(sample) + 1) % samples_);
}

std::uint64_t steps_per_epoch(std::uint64_t samples, int global_batch) {
  MSN_CHECK(global_batch > 0);
  return samples / static_cast<std::uint64_t>(global_batch);
}

BatchNeighbours batch_neighbours(int global_batch, int grain) {
  const int below = global_batch / grain * grain;
  return {below, below + grain};
}

void check_batch_shares(int global_batch, int world_size) {
  if (global_batch % world_size == 0) return;
  const BatchNeighbours nearest = batch_neighbours(global_batch, world_size);
  const std::string above = std::to_string(nearest.above);
  throw config_error("train.global_batch = " + std::to_string(global_batch) + " cannot be shared evenly by " +
                         std::to_string(world_size) + " ranks",
                     "train.global_batch",
                     "set it to " + (nearest.below > 0 ? std::to_string(nearest.below) + " or " + above : above) +
                         ", or start a number of ranks that divides it");
}

StepShare share_of_step(std::uint64_t step, std::uint64_t samples, int global_batch, int rank, int world_size) {
  MSN_CHECK(world_size > 0 && rank >= 0 && rank < world_size);
  check_batch_shares(global_batch, world_size);
  const std::uint64_t steps = steps_per_epoch(samples, global_batch);
  if (steps == 0) {
    throw config_error("a global batch of " + std::to_string(global_batch) + " images is larger than the data set of " +
                           std::to_string(samples),
                       "train.global_batch", "choose a smaller batch or pack more images");
  }
  const int count = global_batch / world_size;
  return {step / steps,
          (step % steps) * static_cast<std::uint64_t>(global_batch) +
              static_cast<std::uint64_t>(rank) * static_cast<std::uint64_t>(count),
          count};
}

}  // namespace msn
