// SPDX-License-Identifier: Apache-2.0
// Sums over ranks whose bits do not depend on message size or path.
#pragma once

#include <span>

#include "comm/world.hpp"

namespace msn {

/// values[i] becomes the sum over ranks of values[i], added in rank order on every rank (MPI_Allreduce changes the order,
/// and so the bits, with the message size). Small messages: all-gather, then sum. Large: each rank sums its slice after
/// an all-to-all, then an all-gather of the slices. Both give the same bits.
void sum_in_rank_order(const World& world, std::span<float> values);
void sum_in_rank_order(const World& world, std::span<double> values);

/// Every rank's `mine` (equal lengths), concatenated in rank order into `all` (size() times as long).
void all_gather(const World& world, std::span<const double> mine, std::span<double> all);

}  // namespace msn
