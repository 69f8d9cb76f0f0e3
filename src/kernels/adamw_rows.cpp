// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw_rows.hpp"

#include "kernels/row_math.hpp"

namespace msn::kernels::MSN_ISA {

namespace {

enum class Shadows { none, written };

template <bool averaged, Shadows shadows, class T>
MSN_INLINE void run(const AdamWArrays<T>& a, const AdamWFactors<T>& f, std::int64_t begin, std::int64_t end) {
  T* parameters = a.parameters;
  const T* gradients = a.gradients;
  T* exp_avg = a.exp_avg;
  T* exp_avg_sq = a.exp_avg_sq;
  T* target = a.target;
  Bf16* shadow = a.shadow;
  Bf16* target_shadow = a.target_shadow;
  const AdamWFactors<T> by = f;
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i) {
    const T gradient = gradients[i] * by.gradient_scale;
    const T first = exp_avg[i] + (gradient - exp_avg[i]) * by.one_minus_beta1;
    const T second = exp_avg_sq[i] * by.beta2 + by.one_minus_beta2 * gradient * gradient;
    exp_avg[i] = first;
    exp_avg_sq[i] = second;
    const T parameter = parameters[i] * by.keep - by.step_size * (first / (square_root(second) + by.eps));
    parameters[i] = parameter;
    if constexpr (shadows == Shadows::written) store(shadow[i], static_cast<float>(parameter));
    if constexpr (averaged) {
      const T average = target[i] * by.momentum + by.one_minus_momentum * parameter;
      target[i] = average;
      if constexpr (shadows == Shadows::written) store(target_shadow[i], static_cast<float>(average));
    }
  }
}

}  // namespace

template <class T>
void adamw(const AdamWArrays<T>& a, const AdamWFactors<T>& f, bool averaged, std::int64_t begin, std::int64_t end) {
  if (a.shadow == nullptr) {
    averaged ? run<true, Shadows::none>(a, f, begin, end) : run<false, Shadows::none>(a, f, begin, end);
  } else {
    averaged ? run<true, Shadows::written>(a, f, begin, end) : run<false, Shadows::written>(a, f, begin, end);
  }
}

void to_bf16(const float* values, Bf16* rounded, std::int64_t begin, std::int64_t end) {
#pragma omp simd
  for (std::int64_t i = begin; i < end; ++i)
    store(rounded[i], values[i]);
}

template void adamw<float>(const AdamWArrays<float>&, const AdamWFactors<float>&, bool, std::int64_t, std::int64_t);
template void adamw<double>(const AdamWArrays<double>&, const AdamWFactors<double>&, bool, std::int64_t, std::int64_t);

}  // namespace msn::kernels::MSN_ISA
