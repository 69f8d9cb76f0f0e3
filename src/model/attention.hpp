// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace msn {

/// What the backward pass of one attention call needs.
struct AttentionSaved {
  at::Tensor q, k, v;        ///< [images, heads, rows, width / heads]
  at::Tensor probabilities;  ///< [images, heads, query rows, key rows]
};

/// softmax(q kᵀ / sqrt(width / heads)) v (Vaswani et al., arXiv 1706.03762) for `images` sequences of equal length.
/// q [images * query rows, width], k and v [images * key rows, width], rows of one image together. Returns
/// [images * query rows, width]. `saved` may be null.
at::Tensor attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, std::int64_t images,
                     std::int64_t heads, AttentionSaved* saved);

struct AttentionGradients {
  at::Tensor dq, dk, dv;  ///< Shapes of q, k, v as given to attention().
};
AttentionGradients attention_backward(const at::Tensor& dout, const AttentionSaved& saved);

}  // namespace msn
