// SPDX-License-Identifier: Apache-2.0
// How every kernel of ours runs: a functor that is called once a row (a fixed block of elements). Included by kernel
// sources only; their own headers name neither Kokkos nor LibTorch.
#pragma once

#include <Kokkos_Core.hpp>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace msn::kernels {

/// Elements a row of a flat buffer. Fixed, so that sums over rows have the same bits for any number of threads.
inline constexpr std::int64_t kRowElements = 16384;

/// Rows of a flat buffer of so many elements; the last may be shorter.
inline std::int64_t rows_of(std::int64_t elements) {
  return (elements + kRowElements - 1) / kRowElements;
}

/// Calls functor(row) for row in [0, rows), in parallel. Kokkos dispatches it where Kokkos has a parallel back end.
/// With a Serial-only Kokkos (the distributions' packages) an OpenMP loop calls it: the pool is LibTorch's own libgomp.
/// Call from the main thread only (Kokkos before 4.4 keeps one global scratch).
template <class Functor>
void for_rows(std::int64_t rows, const Functor& functor) {
  using Space = Kokkos::DefaultHostExecutionSpace;
#if defined(KOKKOS_ENABLE_SERIAL)
  constexpr bool kSerial = std::is_same_v<Space, Kokkos::Serial>;
#else
  constexpr bool kSerial = false;
#endif
  if constexpr (kSerial) {
#pragma omp parallel for schedule(static)
    for (std::int64_t row = 0; row < rows; ++row)
      functor(row);
  } else {
    Kokkos::parallel_for(Kokkos::RangePolicy<Space>(0, rows), functor);
    Space().fence();
  }
}

}  // namespace msn::kernels
