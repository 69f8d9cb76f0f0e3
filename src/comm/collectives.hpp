// SPDX-License-Identifier: Apache-2.0
// Sums over ranks whose bits do not depend on message size or path.
#pragma once

#include <cstddef>
#include <span>

#include "comm/world.hpp"

namespace msn {

/// How sum_in_rank_order cuts its work. The same on every rank; no value changes a bit of the result.
struct SumLimits {
  std::size_t gather_bytes = std::size_t{32} << 10;  ///< Up to here every rank gathers everything and adds it all.
  std::size_t piece_bytes = std::size_t{8} << 20;  ///< Larger messages go in pieces of this size, which bounds memory.
};

/// values[i] becomes the sum over ranks of values[i], added in rank order on every rank (MPI_Allreduce changes the
/// order, and so the bits, with the message size). All ranks give the same length. Small messages: all-gather, then
/// sum. Large: each rank sums its slice after an all-to-all, then an all-gather of the slices. Both give the same bits.
/// Temporary memory: max(gather_bytes x ranks, piece_bytes). One rank: nothing is done.
void sum_in_rank_order(const World& world, std::span<float> values, SumLimits limits = {});
void sum_in_rank_order(const World& world, std::span<double> values, SumLimits limits = {});

/// Every rank's `mine` (equal lengths), concatenated in rank order into `all` (size() times as long).
void all_gather(const World& world, std::span<const double> mine, std::span<double> all);

}  // namespace msn
