// SPDX-License-Identifier: Apache-2.0
#include "kernels/prototype_loss.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "kernels/for_rows.hpp"
#include "kernels/prototype_loss_rows.hpp"

namespace msn::kernels {
namespace {

/// Few, for there are few rows.
constexpr std::int64_t kRows = 16;

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRows - 1) / kRows;
}

/// Calls run(begin, end, block) for blocks of rows, in parallel.
template <class Run>
void for_blocks(std::int64_t rows, const Run& run) {
  for_rows(blocks_of(rows),
           [&](std::int64_t block) { run(block * kRows, std::min(rows, (block + 1) * kRows), block); });
}

/// Calls run(begin, end, part) likewise, `part` being zeros of the length of `sums`, and writes the sum of all parts,
/// in the blocks' order.
template <class T, class Run>
void sum_blocks(std::int64_t rows, std::int64_t length, double* sums, const Run& run) {
  std::vector<T> parts(static_cast<std::size_t>(blocks_of(rows) * length));
  for_blocks(rows, [&](std::int64_t begin, std::int64_t end, std::int64_t block) {
    run(begin, end, parts.data() + block * length);
  });
  constexpr std::int64_t columns = 128;
  for_rows((length + columns - 1) / columns, [&](std::int64_t piece) {
    const std::int64_t first = piece * columns, last = std::min(length, first + columns);
    std::fill(sums + first, sums + last, 0.0);
    for (std::int64_t block = 0; block < blocks_of(rows); ++block) {
      const T* part = parts.data() + block * length;
      for (std::int64_t i = first; i < last; ++i)
        sums[i] += static_cast<double>(part[i]);
    }
  });
}

double sum_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

template <class T>
void normalise_rows(std::int64_t rows, std::int64_t width, const T* x, T* unit, T* inverse, InstructionSet set) {
  const auto run = MSN_FORMS(normalise_rows<T>).of(set);
  const UnitRows<T> arguments{width, x, unit, inverse};
  for_blocks(rows, [&](std::int64_t begin, std::int64_t end, std::int64_t) { run(arguments, begin, end); });
}

template <class T>
void normalise_rows_backward(std::int64_t rows, std::int64_t width, const T* unit, const T* inverse, T* gradient,
                             InstructionSet set) {
  const auto run = MSN_FORMS(normalise_rows_backward<T>).of(set);
  const UnitRowsBackward<T> arguments{width, unit, inverse, gradient};
  for_blocks(rows, [&](std::int64_t begin, std::int64_t end, std::int64_t) { run(arguments, begin, end); });
}

template <class T>
double sharpened_predictions(std::int64_t rows, std::int64_t prototypes, const Prediction& how, double sharpen,
                             T* cosines, InstructionSet set) {
  const auto run = MSN_FORMS(sharpened_predictions<T>).of(set);
  std::vector<double> totals(static_cast<std::size_t>(rows));
  const SharpenedPredictions<T> arguments{prototypes, how, sharpen, cosines, totals.data()};
  for_blocks(rows, [&](std::int64_t begin, std::int64_t end, std::int64_t) { run(arguments, begin, end); });
  return sum_of(totals);
}

template <class T>
double anchor_predictions(std::int64_t rows, std::int64_t prototypes, const Prediction& how, const T* cosines,
                          RowSoftmax<T>* softmax, double* sums, InstructionSet set) {
  const auto run = MSN_FORMS(anchor_predictions<T>).of(set);
  std::vector<double> entropies(static_cast<std::size_t>(rows));
  const AnchorPredictions<T> arguments{prototypes, how, cosines, softmax, entropies.data()};
  sum_blocks<T>(rows, prototypes, sums, [&](std::int64_t begin, std::int64_t end, T* part) {
    std::vector<T> scratch(static_cast<std::size_t>(prototypes));
    run(arguments, begin, end, scratch.data(), part);
  });
  return sum_of(entropies);
}

template <class T>
double anchor_gradients(std::int64_t rows, std::int64_t prototypes, const Prediction& how, const AnchorLoss<T>& loss,
                        const RowSoftmax<T>* softmax, T* cosines, InstructionSet set) {
  const auto run = MSN_FORMS(anchor_gradients<T>).of(set);
  std::vector<double> cross_entropies(static_cast<std::size_t>(rows));
  const AnchorGradients<T> arguments{prototypes, how, loss, softmax, cosines, cross_entropies.data()};
  for_blocks(rows, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    std::vector<T> scratch(static_cast<std::size_t>(2 * prototypes));
    run(arguments, begin, end, scratch.data());
  });
  return sum_of(cross_entropies);
}

template <class T>
Extremes row_extremes(std::int64_t rows, std::int64_t width, const T* x, std::int64_t* indices, InstructionSet set) {
  const auto run = MSN_FORMS(row_extremes<T>).of(set);
  std::vector<Extremes> extremes(static_cast<std::size_t>(rows));
  const RowExtremes<T> arguments{width, x, indices, extremes.data()};
  for_blocks(rows, [&](std::int64_t begin, std::int64_t end, std::int64_t) { run(arguments, begin, end); });
  Extremes sums;
  for (const Extremes& row : extremes) {
    sums.largest += row.largest;
    sums.smallest += row.smallest;
  }
  return sums;
}

template <class T>
void column_sums(std::int64_t rows, std::int64_t width, const T* x, double* sums, InstructionSet set) {
  const auto run = MSN_FORMS(column_sums<T>).of(set);
  sum_blocks<T>(rows, width, sums,
                [&](std::int64_t begin, std::int64_t end, T* part) { run(width, x, begin, end, part); });
}

template <class T>
void balance_rows(std::int64_t rows, std::int64_t width, const T* factors, T* x, double* sums, InstructionSet set) {
  const auto run = MSN_FORMS(balance_rows<T>).of(set);
  const BalanceRows<T> arguments{width, factors, x};
  sum_blocks<T>(rows, width, sums,
                [&](std::int64_t begin, std::int64_t end, T* part) { run(arguments, begin, end, part); });
}

#define MSN_INSTANTIATE(T)                                                                                             \
  template void normalise_rows<T>(std::int64_t, std::int64_t, const T*, T*, T*, InstructionSet);                       \
  template void normalise_rows_backward<T>(std::int64_t, std::int64_t, const T*, const T*, T*, InstructionSet);        \
  template double sharpened_predictions<T>(std::int64_t, std::int64_t, const Prediction&, double, T*, InstructionSet); \
  template double anchor_predictions<T>(std::int64_t, std::int64_t, const Prediction&, const T*, RowSoftmax<T>*,       \
                                        double*, InstructionSet);                                                      \
  template double anchor_gradients<T>(std::int64_t, std::int64_t, const Prediction&, const AnchorLoss<T>&,             \
                                      const RowSoftmax<T>*, T*, InstructionSet);                                       \
  template Extremes row_extremes<T>(std::int64_t, std::int64_t, const T*, std::int64_t*, InstructionSet);              \
  template void column_sums<T>(std::int64_t, std::int64_t, const T*, double*, InstructionSet);                         \
  template void balance_rows<T>(std::int64_t, std::int64_t, const T*, T*, double*, InstructionSet);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)

}  // namespace msn::kernels
