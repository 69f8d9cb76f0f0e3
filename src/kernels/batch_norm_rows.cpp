// SPDX-License-Identifier: Apache-2.0
#include "kernels/batch_norm_rows.hpp"

#include "kernels/row_math.hpp"

namespace msn::kernels::MSN_ISA {
namespace {

/// Rows that are summed in T before their sums are added in double precision.
constexpr std::int64_t kSummedRows = 64;

MSN_INLINE std::int64_t end_of_block(std::int64_t first, std::int64_t rows) {
  return first + kSummedRows < rows ? first + kSummedRows : rows;
}

}  // namespace

// Of every block the mean and, around it, the squares; the second loop finds the block in the cache. The deviations'
// own sum, zero but for rounding, corrects both.
template <class T>
void column_moments(const ColumnMoments<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = end - begin;
  double* mean = a.mean + begin;
  double* squares = a.squares + begin;
  for (std::int64_t i = 0; i < columns; ++i)
    mean[i] = squares[i] = 0;
  T centre[kColumns], sum[kColumns], square[kColumns];
  for (std::int64_t first = 0; first < a.rows; first += kSummedRows) {
    const std::int64_t last = end_of_block(first, a.rows);
    const auto count = static_cast<double>(last - first), all = static_cast<double>(last);
    for (std::int64_t i = 0; i < columns; ++i)
      centre[i] = sum[i] = square[i] = 0;
    for (std::int64_t row = first; row < last; ++row) {
      const T* x = a.x + row * a.width + begin;
#pragma omp simd
      for (std::int64_t i = 0; i < columns; ++i)
        centre[i] += x[i];
    }
    for (std::int64_t i = 0; i < columns; ++i)
      centre[i] /= static_cast<T>(count);
    for (std::int64_t row = first; row < last; ++row) {
      const T* x = a.x + row * a.width + begin;
#pragma omp simd
      for (std::int64_t i = 0; i < columns; ++i) {
        const T deviation = x[i] - centre[i];
        sum[i] += deviation;
        square[i] += deviation * deviation;
      }
    }
    const double share = count / all, weight = static_cast<double>(first) * share;
    for (std::int64_t i = 0; i < columns; ++i) {
      const double correction = static_cast<double>(sum[i]) / count;
      const double delta = static_cast<double>(centre[i]) + correction - mean[i];
      mean[i] += delta * share;
      squares[i] += static_cast<double>(square[i]) - correction * correction * count + delta * delta * weight;
    }
  }
}

template <class T>
void batch_norm_gelu(const BatchNormGelu<T>& a, std::int64_t begin, std::int64_t end) {
  const BatchNorm<T> norm = a.norm;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    T* activated = a.activated + row * a.width;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const T value = (x[i] - norm.mean[i]) * norm.inverse_std[i] * norm.weight[i] + norm.bias[i];
      activated[i] = value * normal(value).cumulative;
    }
  }
}

template <class T>
void batch_norm_gelu_backward(const BatchNormGeluBackward<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = end - begin;
  const T* mean = a.norm.mean + begin;
  const T* inverse_std = a.norm.inverse_std + begin;
  const T* weight = a.norm.weight + begin;
  const T* bias = a.norm.bias + begin;
  double* dbias = a.dbias + begin;
  double* dweight = a.dweight + begin;
  for (std::int64_t i = 0; i < columns; ++i)
    dbias[i] = dweight[i] = 0;
  T sum[kColumns], product[kColumns];
  for (std::int64_t first = 0; first < a.rows; first += kSummedRows) {
    const std::int64_t last = end_of_block(first, a.rows);
    for (std::int64_t i = 0; i < columns; ++i)
      sum[i] = product[i] = 0;
    for (std::int64_t row = first; row < last; ++row) {
      const T* x = a.x + row * a.width + begin;
      T* gradient = a.gradient + row * a.width + begin;
      T* activated = a.activated + row * a.width + begin;
#pragma omp simd
      for (std::int64_t i = 0; i < columns; ++i) {
        const T normed = (x[i] - mean[i]) * inverse_std[i];
        const T value = normed * weight[i] + bias[i];
        const Normal<T> at = normal(value);
        const T d = gradient[i] * (at.cumulative + value * at.density);
        gradient[i] = d;
        activated[i] = value * at.cumulative;
        sum[i] += d;
        product[i] += d * normed;
      }
    }
    for (std::int64_t i = 0; i < columns; ++i) {
      dbias[i] += static_cast<double>(sum[i]);
      dweight[i] += static_cast<double>(product[i]);
    }
  }
}

template <class T>
void batch_norm_backward(const BatchNormBackward<T>& a, std::int64_t begin, std::int64_t end) {
  const BatchNorm<T> norm = a.norm;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    T* gradient = a.gradient + row * a.width;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      const T normed = (x[i] - norm.mean[i]) * norm.inverse_std[i];
      const T dnormed = gradient[i] * norm.weight[i] - a.mean_dbias[i] - normed * a.mean_dweight[i];
      gradient[i] = dnormed * norm.inverse_std[i];
    }
  }
}

#define MSN_INSTANTIATE(T)                                                                                \
  template void column_moments<T>(const ColumnMoments<T>&, std::int64_t, std::int64_t);                   \
  template void batch_norm_gelu<T>(const BatchNormGelu<T>&, std::int64_t, std::int64_t);                  \
  template void batch_norm_gelu_backward<T>(const BatchNormGeluBackward<T>&, std::int64_t, std::int64_t); \
  template void batch_norm_backward<T>(const BatchNormBackward<T>&, std::int64_t, std::int64_t);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)

}  // namespace msn::kernels::MSN_ISA
