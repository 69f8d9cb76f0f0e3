// SPDX-License-Identifier: Apache-2.0
// What layer_norm.cpp asks of every instruction set, for rows [begin, end).
#pragma once

#include "kernels/layer_norm.hpp"

namespace msn::kernels {

MSN_DECLARE_FORMS(template <class T>
                  void add_layer_norm(const AddLayerNorm<T>& a, std::int64_t begin, std::int64_t end);
                  template <class T>
                  void layer_norm_again(const LayerNormAgain<T>& a, std::int64_t begin, std::int64_t end);
                  /// sums [3, width]: what the rows add to dweight, dbias and dbranch_bias.
                  template <class T> void layer_norm_backward(const LayerNormBackward<T>& a, std::int64_t begin,
                                                              std::int64_t end, Accumulate<T>* sums);)

}  // namespace msn::kernels
