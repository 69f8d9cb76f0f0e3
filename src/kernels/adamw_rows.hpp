// SPDX-License-Identifier: Apache-2.0
// What adamw.cpp asks of every instruction set.
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

template <class T>
struct AdamWArrays {
  T* parameters;
  const T* gradients;
  T* exp_avg;
  T* exp_avg_sq;
  T* target;
  Bf16* shadow;         ///< Of the parameters; may be null.
  Bf16* target_shadow;  ///< May be null.
};

/// The update of a range as numbers of T: second root √v is compared with `eps`, both still to be divided by the bias
/// correction of v, which `step_size` makes good.
template <class T>
struct AdamWFactors {
  T gradient_scale, one_minus_beta1, beta2, one_minus_beta2, eps, step_size, keep, momentum, one_minus_momentum;
};

MSN_DECLARE_FORMS(
    /// Elements [begin, end); `averaged`: the target, too.
    template <class T>
    void adamw(const AdamWArrays<T>& a, const AdamWFactors<T>& f, bool averaged, std::int64_t begin, std::int64_t end);
    void to_bf16(const float* values, Bf16* rounded, std::int64_t begin, std::int64_t end);)

}  // namespace msn::kernels
