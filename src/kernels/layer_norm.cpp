// SPDX-License-Identifier: Apache-2.0
#include "kernels/layer_norm.hpp"

#include <vector>

#include "kernels/layer_norm_rows.hpp"
#include "kernels/row_blocks.hpp"

namespace msn::kernels {

template <class T>
void add_layer_norm(std::int64_t rows, const AddLayerNorm<T>& arguments, InstructionSet set) {
  const auto run = MSN_FORMS(add_layer_norm<T>).of(set);
  for_row_blocks(rows, [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
}

template <class T>
void layer_norm_again(std::int64_t rows, const LayerNormAgain<T>& arguments, InstructionSet set) {
  const auto run = MSN_FORMS(layer_norm_again<T>).of(set);
  for_row_blocks(rows, [&](std::int64_t begin, std::int64_t end) { run(arguments, begin, end); });
}

template <class T>
void layer_norm_backward(std::int64_t rows, const LayerNormBackward<T>& arguments, Accumulate<T>* dweight,
                         Accumulate<T>* dbias, Accumulate<T>* dbranch_bias, InstructionSet set) {
  const auto run = MSN_FORMS(layer_norm_backward<T>).of(set);
  const auto width = static_cast<std::size_t>(arguments.width);
  std::vector<Accumulate<T>> sums(3 * width);
  sum_row_blocks(rows, sums.data(), 3 * arguments.width,
                 [&](std::int64_t begin, std::int64_t end, Accumulate<T>* part) { run(arguments, begin, end, part); });
  Accumulate<T>* const into[] = {dweight, dbias, dbranch_bias};
  for (std::size_t which = 0; which < 3; ++which) {
    if (into[which] == nullptr) continue;
    for (std::size_t i = 0; i < width; ++i)
      into[which][i] += sums[which * width + i];
  }
}

#define MSN_INSTANTIATE(T)                                                                                        \
  template void add_layer_norm<T>(std::int64_t, const AddLayerNorm<T>&, InstructionSet);                          \
  template void layer_norm_again<T>(std::int64_t, const LayerNormAgain<T>&, InstructionSet);                      \
  template void layer_norm_backward<T>(std::int64_t, const LayerNormBackward<T>&, Accumulate<T>*, Accumulate<T>*, \
                                       Accumulate<T>*, InstructionSet);
MSN_INSTANTIATE(float)
MSN_INSTANTIATE(double)
MSN_INSTANTIATE(Bf16)

}  // namespace msn::kernels
