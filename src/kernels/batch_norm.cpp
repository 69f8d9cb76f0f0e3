// SPDX-License-Identifier: Apache-2.0
#include "kernels/batch_norm.hpp"

#include <algorithm>

#include "kernels/batch_norm_rows.hpp"
#include "kernels/for_rows.hpp"

namespace msn::kernels {
namespace {

/// Calls run(begin, end) for pieces of at most `length` of [0, n), in parallel.
template <class Run>
void for_pieces(std::int64_t n, std::int64_t length, const Run& run) {
  for_rows((n + length - 1) / length,
           [&](std::int64_t piece) { run(piece * length, std::min(n, (piece + 1) * length)); });
}

/// Few, for heads have few rows.
constexpr std::int64_t kRows = 8;

}  // namespace

template <class T>
void column_moments(std::int64_t rows, std::int64_t width, const T* x, double* moments, InstructionSet set) {
  moments[0] = static_cast<double>(rows);
  const auto run = MSN_FORMS(column_moments<T>).of(set);
  const ColumnMoments<T> arguments{rows, width, x, moments + 1, moments + 1 + width};
  for_pieces(width, kColumns, [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
}

void combine_moments(std::int64_t width, const double* other, double* moments) {
  const double before = moments[0], count = other[0];
  const double share = count / (before + count);
  for (std::int64_t i = 1; i <= width; ++i) {
    const double delta = other[i] - moments[i];
    moments[i] += delta * share;
    moments[width + i] += other[width + i] + delta * delta * (before * share);
  }
  moments[0] = before + count;
}

template <class T>
void batch_norm_gelu(std::int64_t rows, std::int64_t width, const T* x, const BatchNorm<T>& norm, T* activated,
                     InstructionSet set) {
  const auto run = MSN_FORMS(batch_norm_gelu<T>).of(set);
  const BatchNormGelu<T> arguments{width, x, norm, activated};
  for_pieces(rows, kRows, [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
}

template <class T>
void batch_norm_gelu_backward(std::int64_t rows, std::int64_t width, const T* x, const BatchNorm<T>& norm, T* gradient,
                              T* activated, double* sums, InstructionSet set) {
  const auto run = MSN_FORMS(batch_norm_gelu_backward<T>).of(set);
  const BatchNormGeluBackward<T> arguments{rows, width, x, norm, gradient, activated, sums, sums + width};
  for_pieces(width, kColumns, [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
}

template <class T>
void batch_norm_backward(std::int64_t rows, std::int64_t width, const T* x, const BatchNorm<T>& norm, const T* means,
                         T* gradient, InstructionSet set) {
  const auto run = MSN_FORMS(batch_norm_backward<T>).of(set);
  const BatchNormBackward<T> arguments{width, x, norm, means, means + width, gradient};
  for_pieces(rows, kRows, [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
}

#define MSN_INSTANTIATE(T)                                                                                         \
  template void column_moments<T>(std::int64_t, std::int64_t, const T*, double*, InstructionSet);                  \
  template void batch_norm_gelu<T>(std::int64_t, std::int64_t, const T*, const BatchNorm<T>&, T*, InstructionSet); \
  template void batch_norm_gelu_backward<T>(std::int64_t, std::int64_t, const T*, const BatchNorm<T>&, T*, T*,     \
                                            double*, InstructionSet);                                              \
  template void batch_norm_backward<T>(std::int64_t, std::int64_t, const T*, const BatchNorm<T>&, const T*, T*,    \
                                       InstructionSet);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)

}  // namespace msn::kernels
