// SPDX-License-Identifier: Apache-2.0
#include "kernels/reduce.hpp"

#include <algorithm>
#include <vector>

#include "kernels/for_rows.hpp"
#include "kernels/reduce_rows.hpp"

namespace msn::kernels {

template <class T>
double sum_of_squares(std::span<const T> values, InstructionSet set) {
  const auto run = MSN_FORMS(sum_of_squares<T>).of(set);
  const auto count = static_cast<std::int64_t>(values.size());
  std::vector<double> sums(static_cast<std::size_t>(rows_of(count)));
  for_rows(rows_of(count), [&](std::int64_t row) {
    sums[static_cast<std::size_t>(row)] =
        run(values.data(), row * kRowElements, std::min((row + 1) * kRowElements, count));
  });
  double total = 0;
  for (const double sum : sums)
    total += sum;
  return total;
}

double clip_factor(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

template double sum_of_squares<float>(std::span<const float>, InstructionSet);
template double sum_of_squares<double>(std::span<const double>, InstructionSet);

}  // namespace msn::kernels
