// SPDX-License-Identifier: Apache-2.0
#include "kernels/reduce_rows.hpp"

#include "kernels/row_math.hpp"

namespace msn::kernels::MSN_ISA {

template <class T>
double sum_of_squares(const T* values, std::int64_t begin, std::int64_t end) {
  // Sums side by side: enough that no addition waits for the one before it.
  constexpr int lanes = 32;
  double sums[lanes] = {};
  std::int64_t i = begin;
  for (; i + lanes <= end; i += lanes) {
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const double value = load(values[i + lane]);
      sums[lane] += value * value;
    }
  }
  double total = 0;
  for (; i < end; ++i) {
    const double value = load(values[i]);
    total += value * value;
  }
  for (const double sum : sums)
    total += sum;
  return total;
}

template double sum_of_squares<float>(const float*, std::int64_t, std::int64_t);
template double sum_of_squares<double>(const double*, std::int64_t, std::int64_t);

}  // namespace msn::kernels::MSN_ISA
