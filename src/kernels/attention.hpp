// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "kernels/bf16.hpp"
#include "kernels/instruction_set.hpp"

namespace msn::kernels {

/// All but `images` at least 1.
struct AttentionShape {
  std::int64_t images, heads;
  std::int64_t queries, keys;  ///< Rows an image: as many queries as keys, or the class token alone.
  std::int64_t head_width;
};

/// A matrix [images * rows, heads * head_width] whose rows lie `stride` elements apart: q, k and v may be columns of
/// one matrix.
template <class T>
struct RowsOf {
  T* data;
  std::int64_t stride;
};

/// out = softmax((q + q_bias) (k + k_bias)ᵀ / sqrt(head_width)) (v + v_bias), for every image and head by itself
/// (Vaswani et al., arXiv 1706.03762). The biases are [heads * head_width]. `out` may be the memory of q. Keeps nothing
/// of the size of queries times keys: the backward pass needs log_sums [images, heads, queries], the logarithm of the
/// sum of the exponentials of the scaled scores; null if it is not wanted. T is float, double or Bf16; call from the
/// main thread. The bits do not depend on the number of threads.
template <class T>
void attention(const AttentionShape& shape, RowsOf<const T> q, RowsOf<const T> k, RowsOf<const T> v,
               const Accumulate<T>* q_bias, const Accumulate<T>* k_bias, const Accumulate<T>* v_bias, RowsOf<T> out,
               Accumulate<T>* log_sums, InstructionSet set = instruction_set());

/// The gradients of q, k and v for that of `out`; the sums of each over its rows are added to the gradients of the
/// biases. dq, dk and dv may be the memory of q, k and v.
template <class T>
void attention_backward(const AttentionShape& shape, RowsOf<const T> q, RowsOf<const T> k, RowsOf<const T> v,
                        const Accumulate<T>* q_bias, const Accumulate<T>* k_bias, const Accumulate<T>* v_bias,
                        RowsOf<const T> dout, const Accumulate<T>* log_sums, RowsOf<T> dq, RowsOf<T> dk, RowsOf<T> dv,
                        Accumulate<T>* dq_bias, Accumulate<T>* dk_bias, Accumulate<T>* dv_bias,
                        InstructionSet set = instruction_set());

}  // namespace msn::kernels
