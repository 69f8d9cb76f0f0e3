// SPDX-License-Identifier: Apache-2.0
#include "data/mixture.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "base/error.hpp"

namespace msn {

namespace {

constexpr std::uint64_t most_keys = std::uint64_t{1} << 32;
constexpr std::uint64_t most_draws = std::uint64_t{1} << 31;  // Products of two numbers of draws stay below 2^64.

/// `total` in whole parts in proportion to the weights: the largest remainders are rounded up, of equal ones the first.
std::vector<std::uint64_t> apportion(std::uint64_t total, const std::vector<MixtureSet>& sets) {
  double sum = 0;
  for (const MixtureSet& set : sets)
    sum += set.weight;
  std::vector<std::uint64_t> parts;
  std::vector<double> rest;
  for (const MixtureSet& set : sets) {
    const double quota = static_cast<double>(total) * (set.weight / sum);
    parts.push_back(static_cast<std::uint64_t>(quota));
    rest.push_back(quota - std::floor(quota));
  }
  std::vector<std::size_t> by_rest(sets.size());
  std::iota(by_rest.begin(), by_rest.end(), std::size_t{0});
  std::stable_sort(by_rest.begin(), by_rest.end(), [&](std::size_t a, std::size_t b) { return rest[a] > rest[b]; });
  const std::uint64_t given = std::accumulate(parts.begin(), parts.end(), std::uint64_t{0});
  for (std::uint64_t i = 0; given + i < total; ++i)
    ++parts[by_rest[i % by_rest.size()]];
  return parts;
}

/// How many k >= 0 have (2k + 1) * step < bound, or, if `equal_too`, <= bound.
std::uint64_t odd_multiples(std::uint64_t step, std::uint64_t bound, bool equal_too) {
  const std::uint64_t multiples = equal_too ? bound / step + 1 : (bound + step - 1) / step;  // 0 among them.
  return multiples / 2;
}

}  // namespace

Mixture::Mixture(std::vector<MixtureSet> sets, std::uint64_t seed, const SampleOrder& order, std::uint64_t epoch_images,
                 int global_batch)
    : sets_(std::move(sets)), seed_(seed) {
  MSN_CHECK(!sets_.empty() && global_batch > 0 && (sets_.size() > 1 || epoch_images == 0));
  std::uint64_t total = 0;
  for (std::size_t s = 0; s < sets_.size(); ++s) {
    samplers_.emplace_back(sets_[s].count, seed, order, static_cast<std::uint32_t>(s));
    total += sets_[s].count;
  }
  epoch_images_ = epoch_images > 0 ? epoch_images : total;
  if (sets_.size() == 1) {
    draws_ = {total};
    return;
  }
  const auto batch = static_cast<std::uint64_t>(global_batch);
  epoch_images_ = epoch_images_ / batch * batch;
  if (epoch_images_ == 0 || epoch_images_ > most_draws) {
    throw config_error("an epoch of " + std::to_string(epoch_images > 0 ? epoch_images : total) + " images is " +
                           (epoch_images_ == 0 ? "shorter than a batch" : "longer than 2^31"),
                       "data.epoch_images", "set data.epoch_images to a number from train.global_batch to 2^31");
  }
  draws_ = apportion(epoch_images_, sets_);
  std::uint64_t keys = 0;
  for (std::size_t s = 0; s < sets_.size(); ++s) {
    if (draws_[s] == 0) {
      throw config_error("the weight of data set " + std::to_string(s + 1) + " gives it none of the " +
                             std::to_string(epoch_images_) + " images of an epoch",
                         "data.set", "raise its weight or data.epoch_images, or leave the set out");
    }
    first_.push_back(keys);
    keys += sets_[s].count * (draws_[s] / sets_[s].count + 2);  // The passes that an epoch may touch.
  }
  if (keys > most_keys) {
    throw config_error("the draws of an epoch need " + std::to_string(keys) + " keys, there are 2^32",
                       "data.epoch_images", "make epochs shorter or train on fewer images");
  }
}

Draw Mixture::at(std::uint64_t epoch, std::uint64_t position) const {
  MSN_CHECK(position < epoch_images_);
  if (sets_.size() == 1) {
    const std::uint64_t index = samplers_[0].at(epoch, position);
    return {0, index, epoch, index};
  }
  const Turn turn = turn_at(position);
  const std::uint64_t count = sets_[turn.set].count;
  const std::uint64_t before = epoch * draws_[turn.set];
  const std::uint64_t pass = (before + turn.number) / count;
  const std::uint64_t index = samplers_[turn.set].at(pass, (before + turn.number) % count);
  // An image that comes in several passes of one epoch has another key each time.
  return {turn.set, index, pass, first_[turn.set] + index + (pass - before / count) * count};
}

std::uint64_t Mixture::position_of(const Turn& turn) const {
  std::uint64_t position = turn.number;
  for (std::size_t s = 0; s < sets_.size(); ++s) {
    // Draws (2k + 1) / 2N of set s that come before this one, without fractions.
    if (s != turn.set) position += odd_multiples(draws_[turn.set], (2 * turn.number + 1) * draws_[s], s < turn.set);
  }
  return position;
}

Mixture::Turn Mixture::turn_at(std::uint64_t position) const {
  // Times are spread evenly, so that a set's next draw is off its share of the position by no more than one for each
  // set.
  const std::uint64_t slack = sets_.size() + 1;
  for (std::size_t s = 0; s < sets_.size(); ++s) {
    const std::uint64_t about = position * draws_[s] / epoch_images_;
    const std::uint64_t end = std::min(draws_[s], about + slack + 1);
    for (std::uint64_t number = about > slack ? about - slack : 0; number < end; ++number) {
      if (position_of({s, number}) == position) return {s, number};
    }
  }
  throw internal_error("no data set has the position " + std::to_string(position) + " of an epoch");
}

}  // namespace msn
