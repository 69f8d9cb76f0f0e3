// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// Sum of squares in double precision, over fixed blocks, so that its bits do not depend on the number of threads; they
/// may on the instruction set. Not finite if any value is not. T is float or double.
template <class T>
double sum_of_squares(std::span<const T> values, InstructionSet set = instruction_set());

/// Factor that clips gradients of global 2-norm `norm` to `max_norm`: min(1, max_norm / (norm + 1e-6)), as
/// torch.nn.utils.clip_grad_norm_. 1 if max_norm is 0 (no clipping).
double clip_factor(double norm, double max_norm);

}  // namespace msn::kernels
