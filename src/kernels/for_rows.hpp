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

/// Whether Kokkos on the host adds no threads to those of OpenMP.
constexpr bool host_space_has_no_pool_of_its_own() {
  using Space = Kokkos::DefaultHostExecutionSpace;
  bool known = false;
#if defined(KOKKOS_ENABLE_SERIAL)
  known = known || std::is_same_v<Space, Kokkos::Serial>;
#endif
#if defined(KOKKOS_ENABLE_OPENMP)
  known = known || std::is_same_v<Space, Kokkos::OpenMP>;
#endif
  return known;
}

/// Calls functor(row) for row in [0, rows), in parallel, by an OpenMP loop: the pool is LibTorch's own libgomp, so that
/// a process has one. Kokkos' host back end is Serial (the distributions' packages) or OpenMP, which would take the
/// same pool; it is not dispatched, and need not be initialised. Call from the main thread only.
template <class Functor>
void for_rows(std::int64_t rows, const Functor& functor) {
  static_assert(host_space_has_no_pool_of_its_own(), "build Kokkos with Serial or OpenMP as its host back end");
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < rows; ++row)
    functor(row);
}

}  // namespace msn::kernels
