// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace msn {

/// Queries [images * query rows, width], keys and values [images * key rows, width] of `images` sequences of equal
/// length, rows of one image together, as columns of a wider matrix if need be; their biases [width] are not yet added.
struct AttentionInput {
  at::Tensor q, k, v;
  at::Tensor q_bias, k_bias, v_bias;
  std::int64_t images = 0;
  std::int64_t heads = 0;
};

/// softmax(q kᵀ / sqrt(width / heads)) v (Vaswani et al., arXiv 1706.03762) into `out` [images * query rows, width].
/// Returns the logarithms of the softmax's sums [images, heads, query rows], which the backward pass wants, if `keep`.
at::Tensor attention(const AttentionInput& in, const at::Tensor& out, bool keep);

/// Writes the gradients of q, k and v into `gradients`, which may be q, k and v themselves, and adds those of their
/// biases to its biases.
void attention_backward(const AttentionInput& in, const at::Tensor& dout, const at::Tensor& log_sums,
                        const AttentionInput& gradients);

}  // namespace msn
