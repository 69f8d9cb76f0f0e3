// SPDX-License-Identifier: Apache-2.0
#include "kernels/gelu.hpp"

#include "kernels/gelu_rows.hpp"
#include "kernels/row_blocks.hpp"

namespace msn::kernels {

template <class T>
void bias_gelu(std::int64_t rows, std::int64_t width, const T* x, const Accumulate<T>* bias, T* activated,
               InstructionSet set) {
  const auto run = MSN_FORMS(bias_gelu<T>).of(set);
  const BiasGelu<T> arguments{width, x, bias, activated};
  for_row_blocks(rows, [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
}

template <class T>
void bias_gelu_backward(std::int64_t rows, std::int64_t width, const T* dactivated, const T* x,
                        const Accumulate<T>* bias, T* dx, Accumulate<T>* dbias, T* activated, InstructionSet set) {
  const auto run = MSN_FORMS(bias_gelu_backward<T>).of(set);
  const BiasGeluBackward<T> arguments{width, dactivated, x, bias, dx, activated};
  sum_row_blocks(rows, dbias, width,
                 [&](std::int64_t begin, std::int64_t end, Accumulate<T>* part) { run(arguments, begin, end, part); });
}

#define MSN_INSTANTIATE(T)                                                                                      \
  template void bias_gelu<T>(std::int64_t, std::int64_t, const T*, const Accumulate<T>*, T*, InstructionSet);   \
  template void bias_gelu_backward<T>(std::int64_t, std::int64_t, const T*, const T*, const Accumulate<T>*, T*, \
                                      Accumulate<T>*, T*, InstructionSet);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels
