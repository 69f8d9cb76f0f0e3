// SPDX-License-Identifier: Apache-2.0
// Which image of which data set comes at which position, as a pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/sampler.hpp"

namespace msn {

/// One image to be drawn.
struct Draw {
  std::size_t set = 0;
  std::uint64_t index = 0;  ///< Of the image in its set.
  std::uint64_t pass = 0;   ///< Over its set.
  std::uint64_t key = 0;    ///< For the random draws of its views: no other draw of the epoch has it. Below 2^32.
};

/// A data set's part in a mixture.
struct MixtureSet {
  std::uint64_t count = 0;  ///< Images.
  double weight = 0;        ///< Share of the draws, relative to the other sets'.
};

/// What one run trains on.
///
/// A single set comes in Sampler's order: an epoch is one pass, of which the rest that fills no batch is dropped.
///
/// Several sets: every epoch has whole batches only, and of each set the same number of draws, in proportion to its
/// weight (largest remainders), spread evenly over the epoch: draw k of the N of a set comes at time (2k + 1) / 2N, of
/// equal times the first set's first. Each set goes on from epoch to epoch in its own Sampler's order, pass after pass,
/// so that every image of it comes once before any comes again.
class Mixture {
 public:
  /// At least one set. `epoch_images` 0: as many as the sets hold together; only several sets may have another number.
  /// Throws config_error if an epoch is shorter than a batch or gives a set no draw, or if there are more draws than
  /// keys (2^32) or more than 2^31 of several sets in an epoch.
  Mixture(std::vector<MixtureSet> sets, std::uint64_t seed, const SampleOrder& order, std::uint64_t epoch_images,
          int global_batch);

  /// Images of an epoch; for several sets a multiple of the global batch.
  std::uint64_t epoch_images() const { return epoch_images_; }
  /// Draws of a set in an epoch.
  std::uint64_t draws_of(std::size_t set) const { return draws_[set]; }
  std::size_t sets() const { return sets_.size(); }
  std::uint64_t seed() const { return seed_; }

  /// What comes at `position` of `epoch`; position < epoch_images().
  Draw at(std::uint64_t epoch, std::uint64_t position) const;
  /// The index of the image that takes the place of `draw`'s if that one cannot be read: of the same set.
  std::uint64_t replacement(const Draw& draw) const { return samplers_[draw.set].replacement(draw.pass, draw.index); }

 private:
  struct Turn {
    std::size_t set;
    std::uint64_t number;  ///< Of the set's draws of the epoch.
  };
  Turn turn_at(std::uint64_t position) const;
  std::uint64_t position_of(const Turn& turn) const;

  std::vector<MixtureSet> sets_;
  std::uint64_t seed_;
  std::vector<Sampler> samplers_;
  std::vector<std::uint64_t> first_;  ///< Of several sets, the first key of each.
  std::vector<std::uint64_t> draws_;
  std::uint64_t epoch_images_ = 0;
};

}  // namespace msn
