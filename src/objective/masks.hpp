// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "config/config.hpp"

namespace msn {

/// Patches that a mask of this ratio leaves: floor(patches * (1 - ratio)).
std::int64_t kept_patches(std::int64_t patches, double mask_ratio);

/// The patches of the random anchor views that stay, by a fresh random permutation: int64 [kept], one mask for the
/// whole global batch of a step (the official behaviour), keyed by (seed, epoch, position of the step's first sample).
/// Undefined if the ratio is 0.
at::Tensor batch_mask(std::uint64_t seed, std::uint64_t epoch, std::uint64_t first_position, std::int64_t patches,
                      double mask_ratio);

/// One mask an anchor image: int64 [views * samples, kept], view-major, keyed by (seed, epoch, sample, view).
at::Tensor image_masks(std::uint64_t seed, std::uint64_t epoch, std::span<const std::uint64_t> samples, int views,
                       std::int64_t patches, double mask_ratio);

}  // namespace msn
