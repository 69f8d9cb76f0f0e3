// SPDX-License-Identifier: Apache-2.0
// What batch_norm.cpp asks of every instruction set: sums for columns [begin, end), at most kColumns; the rest for rows
// [begin, end).
#pragma once

#include <cstdint>

#include "kernels/batch_norm.hpp"

namespace msn::kernels {

/// Columns that are summed together, over all rows.
inline constexpr std::int64_t kColumns = 128;

template <class T>
struct ColumnMoments {
  std::int64_t rows, width;
  const T* x;
  double* mean;
  double* squares;
};

template <class T>
struct BatchNormGelu {
  std::int64_t width;
  const T* x;
  BatchNorm<T> norm;
  T* activated;
};

template <class T>
struct BatchNormGeluBackward {
  std::int64_t rows, width;
  const T* x;
  BatchNorm<T> norm;
  T* gradient;
  T* activated;
  double* dbias;
  double* dweight;
};

template <class T>
struct BatchNormBackward {
  std::int64_t width;
  const T* x;
  BatchNorm<T> norm;
  const T* mean_dbias;
  const T* mean_dweight;
  T* gradient;
};

MSN_DECLARE_FORMS(
    template <class T> void column_moments(const ColumnMoments<T>& a, std::int64_t begin, std::int64_t end);
    template <class T> void batch_norm_gelu(const BatchNormGelu<T>& a, std::int64_t begin, std::int64_t end);
    template <class T>
    void batch_norm_gelu_backward(const BatchNormGeluBackward<T>& a, std::int64_t begin, std::int64_t end);
    template <class T> void batch_norm_backward(const BatchNormBackward<T>& a, std::int64_t begin, std::int64_t end);)

}  // namespace msn::kernels
