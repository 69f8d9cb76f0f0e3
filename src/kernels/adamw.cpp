// SPDX-License-Identifier: Apache-2.0
#include "kernels/adamw.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "kernels/for_rows.hpp"

namespace msn::kernels {
namespace {

template <class T>
struct AdamWRow {
  T* parameters;
  const T* gradients;
  T* exp_avg;
  T* exp_avg_sq;
  T* target;
  const UpdateRange* rows;
  T one_minus_beta1, beta2, one_minus_beta2, eps, step_size, root_correction2, keep, momentum, one_minus_momentum;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row) const {
    const UpdateRange range = rows[row];
    const T scale = static_cast<T>(range.gradient_scale);
    const T epsilon = eps * static_cast<T>(range.epsilon_scale);
    const T kept = range.decays ? keep : T(1);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const T gradient = gradients[i] * scale;
      const T first = exp_avg[i] + (gradient - exp_avg[i]) * one_minus_beta1;
      const T second = exp_avg_sq[i] * beta2 + one_minus_beta2 * gradient * gradient;
      exp_avg[i] = first;
      exp_avg_sq[i] = second;
      const T denominator = std::sqrt(second) / root_correction2 + epsilon;
      parameters[i] = parameters[i] * kept - step_size * (first / denominator);
    }
    if (range.averaged) {
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        target[i] = target[i] * momentum + one_minus_momentum * parameters[i];
      }
    }
  }
};

}  // namespace

template <class T>
void adamw_ema(std::span<T> parameters, std::span<const T> gradients, std::span<T> exp_avg, std::span<T> exp_avg_sq,
               std::span<T> target, const std::vector<UpdateRange>& ranges, const AdamWStep& step) {
  MSN_CHECK(parameters.size() == gradients.size() && parameters.size() == exp_avg.size() &&
            parameters.size() == exp_avg_sq.size() && step.count > 0);
  std::vector<UpdateRange> rows;
  for (const UpdateRange& range : ranges) {
    MSN_CHECK(range.begin >= 0 && range.end <= static_cast<std::int64_t>(parameters.size()));
    MSN_CHECK(!range.averaged || range.end <= static_cast<std::int64_t>(target.size()));
    for (std::int64_t begin = range.begin; begin < range.end; begin += kRowElements) {
      UpdateRange row = range;
      row.begin = begin;
      row.end = std::min(range.end, begin + kRowElements);
      rows.push_back(row);
    }
  }
  const double correction1 = 1.0 - std::pow(step.beta1, static_cast<double>(step.count));
  const double correction2 = 1.0 - std::pow(step.beta2, static_cast<double>(step.count));
  const AdamWRow<T> functor{parameters.data(),
                            gradients.data(),
                            exp_avg.data(),
                            exp_avg_sq.data(),
                            target.data(),
                            rows.data(),
                            static_cast<T>(1.0 - step.beta1),
                            static_cast<T>(step.beta2),
                            static_cast<T>(1.0 - step.beta2),
                            static_cast<T>(step.eps),
                            static_cast<T>(step.lr / correction1),
                            static_cast<T>(std::sqrt(correction2)),
                            static_cast<T>(1.0 - step.lr * step.weight_decay),
                            static_cast<T>(step.ema_momentum),
                            static_cast<T>(1.0 - step.ema_momentum)};
  for_rows(static_cast<std::int64_t>(rows.size()), functor);
}

template void adamw_ema<float>(std::span<float>, std::span<const float>, std::span<float>, std::span<float>,
                               std::span<float>, const std::vector<UpdateRange>&, const AdamWStep&);
template void adamw_ema<double>(std::span<double>, std::span<const double>, std::span<double>, std::span<double>,
                                std::span<double>, const std::vector<UpdateRange>&, const AdamWStep&);

}  // namespace msn::kernels
