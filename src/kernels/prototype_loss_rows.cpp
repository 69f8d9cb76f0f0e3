// SPDX-License-Identifier: Apache-2.0
#include "kernels/prototype_loss_rows.hpp"

#include "kernels/row_math.hpp"

extern "C" {
double log(double) noexcept;
float logf(float) noexcept;
}

namespace msn::kernels::MSN_ISA {
namespace {

/// Only label smoothing takes a logarithm an element.
MSN_INLINE float logarithm(float x) {
  return logf(x);
}
MSN_INLINE double logarithm(double x) {
  return log(x);
}

/// Passes over what is not a number, which the sums that follow show.
template <class T>
MSN_INLINE T largest(const T* x, std::int64_t n) {
  T best = x[0];
#pragma omp simd reduction(max : best)
  for (std::int64_t i = 0; i < n; ++i)
    best = x[i] > best ? x[i] : best;
  return best;
}

/// x becomes exp((x - its largest) * factor) over its sum; returns the sum of what is written.
template <class T>
MSN_INLINE double softmax(T* x, std::int64_t n, T factor) {
  const T peak = largest(x, n);
  T total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = exponential((x[i] - peak) * factor);
    total += x[i];
  }
  const T share = 1 / total;
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] *= share;
    sum += x[i];
  }
  return static_cast<double>(sum);
}

}  // namespace

template <class T>
void normalise_rows(const UnitRows<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    T* unit = a.unit + row * a.width;
    double squares = 0;
#pragma omp simd reduction(+ : squares)
    for (std::int64_t i = 0; i < a.width; ++i)
      squares += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    const double norm = square_root(squares);
    const auto inverse = static_cast<T>(1 / (norm < 1e-12 ? 1e-12 : norm));
    a.inverse[row] = inverse;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i)
      unit[i] = x[i] * inverse;
  }
}

template <class T>
void normalise_rows_backward(const UnitRowsBackward<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* unit = a.unit + row * a.width;
    T* gradient = a.gradient + row * a.width;
    T along = 0;
#pragma omp simd reduction(+ : along)
    for (std::int64_t i = 0; i < a.width; ++i)
      along += unit[i] * gradient[i];
    const T inverse = a.inverse[row];
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i)
      gradient[i] = (gradient[i] - unit[i] * along) * inverse;
  }
}

template <class T>
void sharpened_predictions(const SharpenedPredictions<T>& a, std::int64_t begin, std::int64_t end) {
  const std::int64_t n = a.prototypes;
  const auto keep = static_cast<T>(1 - a.how.smoothing);
  const auto floor = static_cast<T>(a.how.smoothing / static_cast<double>(n));
  for (std::int64_t row = begin; row < end; ++row) {
    T* x = a.cosines + row * n;
    if (a.how.smoothing == 0) {
      // A power of a softmax, normalised, is a colder softmax.
      a.totals[row] = softmax(x, n, static_cast<T>(1 / (a.how.temperature * a.sharpen)));
      continue;
    }
    softmax(x, n, static_cast<T>(1 / a.how.temperature));
    for (std::int64_t i = 0; i < n; ++i)
      x[i] = logarithm(x[i] * keep + floor);
    a.totals[row] = softmax(x, n, static_cast<T>(1 / a.sharpen));
  }
}

template <class T>
void anchor_predictions(const AnchorPredictions<T>& a, std::int64_t begin, std::int64_t end, T* scratch, T* part) {
  const std::int64_t n = a.prototypes;
  const auto factor = static_cast<T>(1 / a.how.temperature);
  const auto keep = static_cast<T>(1 - a.how.smoothing);
  const auto floor = static_cast<T>(a.how.smoothing / static_cast<double>(n));
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.cosines + row * n;
    const T peak = largest(x, n);
    T total = 0, products = 0;
#pragma omp simd reduction(+ : total, products)
    for (std::int64_t i = 0; i < n; ++i) {
      const T logit = (x[i] - peak) * factor;
      const T power = exponential(logit);
      scratch[i] = power;
      total += power;
      products += power * logit;
    }
    a.softmax[row] = {peak, total};
    const T share = 1 / total;
    if (a.how.smoothing == 0) {
      a.entropies[row] = static_cast<double>(logarithm(total) - products * share);
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i)
        part[i] += scratch[i] * share;
    } else {
      T entropy = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const T prediction = scratch[i] * share * keep + floor;
        part[i] += prediction;
        entropy -= prediction * logarithm(prediction);
      }
      a.entropies[row] = static_cast<double>(entropy);
    }
  }
}

// Through a prediction's element: d cross entropy / dp = -t / p, d mean prediction / dp = slope, d entropy / dp =
// -(log p + 1). Through the softmax: dlogits = p dp - p Σ p dp, which for the cross entropy is (Σ t) p - t.
template <class T>
void anchor_gradients(const AnchorGradients<T>& a, std::int64_t begin, std::int64_t end, T* scratch) {
  const std::int64_t n = a.prototypes;
  const auto factor = static_cast<T>(1 / a.how.temperature);
  const auto keep = static_cast<T>(1 - a.how.smoothing);
  const auto floor = static_cast<T>(a.how.smoothing / static_cast<double>(n));
  const auto entropy = static_cast<T>(a.loss.entropy);
  const auto scale = static_cast<T>(a.loss.scale / a.how.temperature);
  const T* slopes = a.loss.slopes;
  T* softmax = scratch;
  T* dp = scratch + n;
  for (std::int64_t row = begin; row < end; ++row) {
    T* x = a.cosines + row * n;
    const T* targets = a.loss.targets + row % a.loss.samples * n;
    const T peak = a.softmax[row].peak, share = 1 / a.softmax[row].total, log_total = logarithm(a.softmax[row].total);
    T mean = 0, target_total = 0, likelihood = 0;
    if (a.how.smoothing == 0) {
#pragma omp simd reduction(+ : mean, target_total, likelihood)
      for (std::int64_t i = 0; i < n; ++i) {
        const T logit = (x[i] - peak) * factor;
        const T log_prediction = logit - log_total;
        softmax[i] = exponential(logit) * share;
        dp[i] = slopes[i] - entropy * (log_prediction + 1);
        mean += softmax[i] * dp[i];
        target_total += targets[i];
        likelihood += targets[i] * log_prediction;
      }
      const T shift = target_total - mean;
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i)
        x[i] = (softmax[i] * (dp[i] + shift) - targets[i]) * scale;
    } else {
      for (std::int64_t i = 0; i < n; ++i) {
        softmax[i] = exponential((x[i] - peak) * factor) * share;
        const T prediction = softmax[i] * keep + floor;
        const T log_prediction = logarithm(prediction);
        dp[i] = (slopes[i] - entropy * (log_prediction + 1) - targets[i] / prediction) * keep;
        mean += softmax[i] * dp[i];
        likelihood += targets[i] * log_prediction;
      }
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i)
        x[i] = softmax[i] * (dp[i] - mean) * scale;
    }
    a.cross_entropies[row] = -static_cast<double>(likelihood);
  }
}

template <class T>
void row_extremes(const RowExtremes<T>& a, std::int64_t begin, std::int64_t end) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x = a.x + row * a.width;
    T most = x[0], least = x[0], spoilt = 0;
#pragma omp simd reduction(max : most) reduction(min : least) reduction(+ : spoilt)
    for (std::int64_t i = 0; i < a.width; ++i) {
      most = x[i] > most ? x[i] : most;
      least = x[i] < least ? x[i] : least;
      spoilt += x[i] - x[i];  // Zero, unless it is not finite.
    }
    std::int64_t index = 0;
    while (index + 1 < a.width && x[index] != most)
      ++index;
    a.indices[row] = index;
    a.extremes[row] = {static_cast<double>(most + spoilt), static_cast<double>(least + spoilt)};
  }
}

template <class T>
void column_sums(std::int64_t width, const T* x, std::int64_t begin, std::int64_t end, T* part) {
  for (std::int64_t row = begin; row < end; ++row) {
    const T* values = x + row * width;
#pragma omp simd
    for (std::int64_t i = 0; i < width; ++i)
      part[i] += values[i];
  }
}

template <class T>
void balance_rows(const BalanceRows<T>& a, std::int64_t begin, std::int64_t end, T* part) {
  const T* factors = a.factors;
  for (std::int64_t row = begin; row < end; ++row) {
    T* x = a.x + row * a.width;
    T total = 0;
#pragma omp simd reduction(+ : total)
    for (std::int64_t i = 0; i < a.width; ++i) {
      x[i] *= factors[i];
      total += x[i];
    }
    const T share = 1 / total;
#pragma omp simd
    for (std::int64_t i = 0; i < a.width; ++i) {
      x[i] *= share;
      part[i] += x[i];
    }
  }
}

#define MSN_INSTANTIATE(T)                                                                              \
  template void normalise_rows<T>(const UnitRows<T>&, std::int64_t, std::int64_t);                      \
  template void normalise_rows_backward<T>(const UnitRowsBackward<T>&, std::int64_t, std::int64_t);     \
  template void sharpened_predictions<T>(const SharpenedPredictions<T>&, std::int64_t, std::int64_t);   \
  template void anchor_predictions<T>(const AnchorPredictions<T>&, std::int64_t, std::int64_t, T*, T*); \
  template void anchor_gradients<T>(const AnchorGradients<T>&, std::int64_t, std::int64_t, T*);         \
  template void row_extremes<T>(const RowExtremes<T>&, std::int64_t, std::int64_t);                     \
  template void column_sums<T>(std::int64_t, const T*, std::int64_t, std::int64_t, T*);                 \
  template void balance_rows<T>(const BalanceRows<T>&, std::int64_t, std::int64_t, T*);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)

}  // namespace msn::kernels::MSN_ISA
