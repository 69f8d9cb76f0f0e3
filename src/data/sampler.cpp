// SPDX-License-Identifier: Apache-2.0
#include "data/sampler.hpp"

#include <bit>
#include <string>

#include "base/error.hpp"
#include "base/random.hpp"

namespace msn {

namespace {

constexpr std::uint32_t rounds = 6;

}  // namespace

Sampler::Sampler(std::uint64_t samples, std::uint64_t seed) : samples_(samples), seed_(seed) {
  MSN_CHECK(samples > 0 && samples <= (std::uint64_t{1} << 32));
  half_bits_ = (std::bit_width(samples - 1) + 1) / 2;
}

std::uint64_t Sampler::at(std::uint64_t epoch, std::uint64_t position) const {
  MSN_CHECK(position < samples_ && (epoch >> 32) == 0);
  const std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)};
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t value = position;
  do {
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask;
    for (std::uint32_t round = 0; round < rounds; ++round) {
      const std::uint32_t tag = static_cast<std::uint32_t>(Purpose::shuffle) << 24 | round;
      const auto mixed =
          philox4x32({static_cast<std::uint32_t>(right), tag, 0, static_cast<std::uint32_t>(epoch)}, key);
      const std::uint64_t next = (left ^ mixed[0]) & mask;
      left = right;
      right = next;
    }
    value = left << half_bits_ | right;
  } while (value >= samples_);
  return value;
}

std::uint64_t steps_per_epoch(std::uint64_t samples, int global_batch) {
  MSN_CHECK(global_batch > 0);
  return samples / static_cast<std::uint64_t>(global_batch);
}

void check_batch_shares(int global_batch, int world_size) {
  if (global_batch % world_size == 0) return;
  const int below = global_batch / world_size * world_size;
  const std::string above = std::to_string(below + world_size);
  throw config_error("train.global_batch = " + std::to_string(global_batch) + " cannot be shared evenly by " +
                         std::to_string(world_size) + " ranks",
                     "train.global_batch",
                     "set it to " + (below > 0 ? std::to_string(below) + " or " + above : above) +
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

std::vector<std::uint64_t> samples_of_step(const Sampler& sampler, const StepShare& share) {
  std::vector<std::uint64_t> out;
  out.reserve(static_cast<std::size_t>(share.count));
  for (int i = 0; i < share.count; ++i) {
    out.push_back(sampler.at(share.epoch, share.position + static_cast<std::uint64_t>(i)));
  }
  return out;
}

}  // namespace msn
