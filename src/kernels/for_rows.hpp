// SPDX-License-Identifier: Apache-2.0
// How every kernel of the CPU runs: a functor that is called once a row (a fixed block of elements). Included by kernel
// sources only.
#pragma once

#include <cstddef>
#include <cstdint>

namespace msn::kernels {

/// Elements a row of a flat buffer. Fixed, so that sums over rows have the same bits for any number of threads.
inline constexpr std::int64_t kRowElements = 16384;

/// Rows of a flat buffer of so many elements; the last may be shorter.
inline std::int64_t rows_of(std::int64_t elements) {
  return (elements + kRowElements - 1) / kRowElements;
}

/// Calls functor(row) for row in [0, rows), in parallel, by an OpenMP loop: the pool is LibTorch's own libgomp, so that
/// a process has one. Call from the main thread only.
template <class Functor>
void for_rows(std::int64_t rows, const Functor& functor) {
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; ++row)
    functor(row);
}

}  // namespace msn::kernels
