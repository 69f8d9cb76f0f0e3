// SPDX-License-Identifier: Apache-2.0
// Sums over the rows of a matrix whose bits do not depend on the number of threads. Included by kernel sources only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/for_rows.hpp"

namespace msn::kernels {

/// Rows that are summed together before the sums of all blocks are added, in order.
inline constexpr std::int64_t kBlockRows = 64;

/// Calls run(begin, end) for blocks of rows, in parallel.
template <class Run>
void for_row_blocks(std::int64_t rows, const Run& run) {
  for_rows((rows + kBlockRows - 1) / kBlockRows,
           [&](std::int64_t block) { run(block * kBlockRows, std::min(rows, (block + 1) * kBlockRows)); });
}

/// Calls run(begin, end, part) for blocks of rows, in parallel, `part` being zeros of the length of `sums`, and adds
/// every block's part to `sums`.
template <class A, class Run>
void sum_row_blocks(std::int64_t rows, A* sums, std::int64_t length, const Run& run) {
  const std::int64_t blocks = (rows + kBlockRows - 1) / kBlockRows;
  std::vector<A> parts(static_cast<std::size_t>(blocks * length));
  for_rows(blocks, [&](std::int64_t block) {
    run(block * kBlockRows, std::min(rows, (block + 1) * kBlockRows), parts.data() + block * length);
  });
  constexpr std::int64_t columns = 256;
  for_rows((length + columns - 1) / columns, [&](std::int64_t piece) {
    const std::int64_t end = std::min(length, (piece + 1) * columns);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const A* part = parts.data() + block * length;
      for (std::int64_t i = piece * columns; i < end; ++i)
        sums[i] += part[i];
    }
  });
}

}  // namespace msn::kernels
