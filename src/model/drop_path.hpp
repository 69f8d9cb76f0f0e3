// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace msn {

/// Stochastic depth (Huang et al., arXiv 1603.09382), drawn for each image, block and branch: 0 with the block's rate,
/// else 1 / (1 - rate), where the rate grows linearly from 0 in the first block to `rate` in the last. float64 [depth,
/// 2, views * samples], view-major, for ViewGroup::branch_scale; keyed by (seed, epoch, sample, view), views from
/// `first_view` on. Undefined if the rate is 0.
at::Tensor drop_path_factors(std::uint64_t seed, std::uint64_t epoch, std::span<const std::uint64_t> samples,
                             int first_view, int views, std::int64_t depth, double rate);

}  // namespace msn
