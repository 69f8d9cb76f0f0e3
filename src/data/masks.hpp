// SPDX-License-Identifier: Apache-2.0
// Which patches of a view the network sees.
#pragma once

#include <cstdint>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// Patches that a mask of this ratio leaves: floor(patches * (1 - ratio)).
std::int64_t kept_patches(std::int64_t patches, double mask_ratio);

/// The patches of random anchor views that stay, [kept_patches()] by a fresh random permutation: one mask for the whole
/// global batch of a step (the official behaviour), keyed by (seed, epoch, position of the step's first sample).
std::vector<std::int64_t> batch_mask(std::uint64_t seed, std::uint64_t epoch, std::uint64_t first_position,
                                     std::int64_t patches, double mask_ratio);

/// The same for one view of one image, keyed by (seed, epoch, sample, view); views count from 1, 0 is the target view.
std::vector<std::int64_t> image_mask(std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample, int view,
                                     std::int64_t patches, double mask_ratio);

/// The visible patches of all views of a run.
class VisiblePatches {
 public:
  VisiblePatches(const ViewsConfig& views, int patch_size, std::uint64_t seed, int global_batch);

  /// Patches a side of a view, masked ones counted.
  int grid(int view) const;
  /// Visible patches of a view.
  std::int64_t count(int view) const;
  /// Numbers of a patch: 3 * patch².
  std::int64_t patch_values() const { return std::int64_t{3} * patch_size_ * patch_size_; }
  int patch_size() const { return patch_size_; }
  bool is_masked(int view) const;
  /// Whether all random views of a step have the same mask.
  bool one_mask() const { return views_.mask_per == MaskPer::batch; }

  /// The visible patches of a view, numbered row by row, in the order in which the network reads them: by the mask's
  /// permutation, or all of them rising. `position` is the sample's in the epoch, `sample` the key of its draws.
  std::vector<std::int64_t> of(int view, std::uint64_t epoch, std::uint64_t position, std::uint64_t sample) const;

 private:
  ViewsConfig views_;
  int patch_size_;
  std::uint64_t seed_;
  std::uint64_t global_batch_;
};

}  // namespace msn
