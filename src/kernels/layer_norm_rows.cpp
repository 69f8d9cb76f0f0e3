// SPDX-License-Identifier: Apache-2.0
#include "kernels/layer_norm_rows.hpp"

#include "kernels/row_math.hpp"

namespace msn::kernels::MSN_ISA {

template <class T>
void add_layer_norm(const AddLayerNorm<T>& a, std::int64_t begin, std::int64_t end) {
  using A = Accumulate<T>;
  const std::int64_t width = a.width;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * width;
    fetch_ahead(x, width);
    T* sum = a.sum + row * width;
    if (a.branch != nullptr) {
      const T* branch = a.branch + row * width;
      fetch_ahead(branch, width);
      const A* bias = a.branch_bias;
      const A scale = a.row_scale == nullptr ? A(1) : a.row_scale[row];
#pragma omp simd
      for (std::int64_t i = 0; i < width; ++i)
        store(sum[i], load(x[i]) + scale * (load(branch[i]) + bias[i]));
    } else if (sum != x) {
#pragma omp simd
      for (std::int64_t i = 0; i < width; ++i)
        sum[i] = x[i];
    }
    A total = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < width; ++i)
      total += load(sum[i]);
    const A mean = total / static_cast<A>(width);
    A squares = 0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < width; ++i) {
      const A centred = load(sum[i]) - mean;
      squares += centred * centred;
    }
    const A rstd = A(1) / square_root(squares / static_cast<A>(width) + a.eps);
    a.mean[row] = mean;
    a.rstd[row] = rstd;
    T* normed = a.normed + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i)
      store(normed[i], (load(sum[i]) - mean) * rstd * a.weight[i] + a.bias[i]);
  }
}

template <class T>
void layer_norm_again(const LayerNormAgain<T>& a, std::int64_t begin, std::int64_t end) {
  using A = Accumulate<T>;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* sum = a.sum + row * a.width;
    fetch_ahead(sum, a.width);
    T* normed = a.normed + row * a.width;
    const A mean = a.mean[row], rstd = a.rstd[row];
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i)
      store(normed[i], (load(sum[i]) - mean) * rstd * a.weight[i] + a.bias[i]);
  }
}

// With x̂ = (x - mean) rstd and g = dnormed weight: dx = rstd (g - mean(g) - x̂ mean(g x̂)).
template <class T>
void layer_norm_backward(const LayerNormBackward<T>& a, std::int64_t begin, std::int64_t end, Accumulate<T>* sums) {
  using A = Accumulate<T>;
  const std::int64_t width = a.width;
  A* dweight = sums;
  A* dbias = sums + width;
  A* dbranch_bias = sums + 2 * width;
  for (std::int64_t row = begin; row < end; ++row) {
    const T* dnormed = a.dnormed + row * width;
    const T* x = a.sum + row * width;
    fetch_ahead(dnormed, width);
    fetch_ahead(x, width);
    T* dx = a.dx + row * width;
    const A mean = a.mean[row], rstd = a.rstd[row];
    A total = 0, along = 0;
#pragma omp simd reduction(+ : total, along)
    for (std::int64_t i = 0; i < width; ++i) {
      const A unit = (load(x[i]) - mean) * rstd;
      const A gradient = load(dnormed[i]);
      dweight[i] += gradient * unit;
      dbias[i] += gradient;
      total += gradient * a.weight[i];
      along += gradient * a.weight[i] * unit;
    }
    total /= static_cast<A>(width);
    along /= static_cast<A>(width);
    const std::int64_t from = a.dskip == nullptr ? -1 : a.skip_row == nullptr ? row : a.skip_row[row];
    const A scale = a.row_scale == nullptr ? A(1) : a.row_scale[row];
    if (from >= 0) {
      const T* dskip = a.dskip + from * width;
      if (a.skip_row == nullptr) fetch_ahead(dskip, width);
#pragma omp simd
      for (std::int64_t i = 0; i < width; ++i) {
        const A unit = (load(x[i]) - mean) * rstd;
        const A value = rstd * (load(dnormed[i]) * a.weight[i] - total - unit * along) + load(dskip[i]);
        store(dx[i], value);
        dbranch_bias[i] += scale * value;
      }
    } else {
#pragma omp simd
      for (std::int64_t i = 0; i < width; ++i) {
        const A unit = (load(x[i]) - mean) * rstd;
        const A value = rstd * (load(dnormed[i]) * a.weight[i] - total - unit * along);
        store(dx[i], value);
        dbranch_bias[i] += scale * value;
      }
    }
    if (a.dbranch != nullptr) {
      T* dbranch = a.dbranch + row * width;
#pragma omp simd
      for (std::int64_t i = 0; i < width; ++i)
        store(dbranch[i], scale * load(dx[i]));
    }
  }
}

#define MSN_INSTANTIATE(T)                                                                 \
  template void add_layer_norm<T>(const AddLayerNorm<T>&, std::int64_t, std::int64_t);     \
  template void layer_norm_again<T>(const LayerNormAgain<T>&, std::int64_t, std::int64_t); \
  template void layer_norm_backward<T>(const LayerNormBackward<T>&, std::int64_t, std::int64_t, Accumulate<T>*);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels::MSN_ISA
