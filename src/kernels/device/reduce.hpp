// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/device/space.hpp"

namespace msn::kernels::device {

/// Writes the sum of squares of `count` values, in double precision, to `result`, both where Kokkos computes: not
/// finite if any value is not. Over fixed blocks, so that it has the same bits in every run. Returns when its kernels
/// are on the queue; allocates nothing and never waits. T is float or double. `scratch`: sum_of_squares_scratch()
/// values that nobody else uses until the queue is past this.
template <class T>
void sum_of_squares(Queue queue, const T* values, std::int64_t count, double* result, double* scratch);
std::int64_t sum_of_squares_scratch(std::int64_t count);

}  // namespace msn::kernels::device
