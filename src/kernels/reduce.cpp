// SPDX-License-Identifier: Apache-2.0
#include "kernels/reduce.hpp"

#include <algorithm>
#include <vector>

#include "kernels/for_rows.hpp"

namespace msn::kernels {
namespace {

template <class T>
struct SquareRow {
  const T* values;
  std::int64_t count;
  double* sums;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row) const {
    const std::int64_t end = (row + 1) * kRowElements < count ? (row + 1) * kRowElements : count;
    double sum = 0;
    for (std::int64_t i = row * kRowElements; i < end; ++i) {
      const double value = values[i];
      sum += value * value;
    }
    sums[row] = sum;
  }
};

std::int64_t rows_of(std::size_t count) {
  return (static_cast<std::int64_t>(count) + kRowElements - 1) / kRowElements;
}

}  // namespace

template <class T>
double sum_of_squares(std::span<const T> values) {
  std::vector<double> sums(static_cast<std::size_t>(rows_of(values.size())));
  for_rows(rows_of(values.size()), SquareRow<T>{values.data(), static_cast<std::int64_t>(values.size()), sums.data()});
  double total = 0;
  for (const double sum : sums)
    total += sum;
  return total;
}

double clip_factor(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

template double sum_of_squares<float>(std::span<const float>);
template double sum_of_squares<double>(std::span<const double>);

}  // namespace msn::kernels
