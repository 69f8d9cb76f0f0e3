// SPDX-License-Identifier: Apache-2.0
// What attention.cpp asks of every instruction set, for pairs [begin, end) of an image and a head; the heads of an
// image lie together.
#pragma once

#include <cstdint>

#include "kernels/attention.hpp"

namespace msn::kernels {

template <class T>
struct Attention {
  AttentionShape shape;
  RowsOf<const T> q, k, v;
  const Accumulate<T>* q_bias;
  const Accumulate<T>* k_bias;
  const Accumulate<T>* v_bias;
  RowsOf<T> out;
  Accumulate<T>* log_sums;  ///< May be null.
};

template <class T>
struct AttentionBackward {
  AttentionShape shape;
  RowsOf<const T> q, k, v;
  const Accumulate<T>* q_bias;
  const Accumulate<T>* k_bias;
  const Accumulate<T>* v_bias;
  RowsOf<const T> dout;
  const Accumulate<T>* log_sums;
  RowsOf<T> dq, dk, dv;
  Accumulate<T>*
      sums;  ///< [images, 3, heads * head_width]: written, the sums of dq, dk and dv over the rows of an image.
};

/// Scratch begins on such a boundary.
inline constexpr std::int64_t kScratchAlignment = 64;

MSN_DECLARE_FORMS(
    /// Bytes of scratch that a thread needs, in whole cache lines.
    template <class T> std::int64_t attention_scratch(const AttentionShape& shape);
    template <class T> void attention(const Attention<T>& a, std::int64_t begin, std::int64_t end, void* scratch);
    template <class T> std::int64_t attention_backward_scratch(const AttentionShape& shape); template <class T>
    void attention_backward(const AttentionBackward<T>& a, std::int64_t begin, std::int64_t end, void* scratch);)

}  // namespace msn::kernels
