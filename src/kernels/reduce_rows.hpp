// SPDX-License-Identifier: Apache-2.0
// What reduce.cpp asks of every instruction set.
#pragma once

#include <cstdint>

#include "kernels/instruction_set.hpp"

namespace msn::kernels {

MSN_DECLARE_FORMS(
    /// Of elements [begin, end).
    template <class T> double sum_of_squares(const T* values, std::int64_t begin, std::int64_t end);)

}  // namespace msn::kernels
