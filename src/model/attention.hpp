// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/attention_table.hpp"

namespace msn {

/// Queries [images * query rows, width], keys and values [images * key rows, width] of `images` sequences of equal
/// length, rows of one image together, as columns of a wider matrix if need be; their biases [width] are not yet added,
/// or, in the forms of devices, undefined: then they are, and their gradients are left to the caller.
struct AttentionInput {
  at::Tensor q, k, v;
  at::Tensor q_bias, k_bias, v_bias;
  std::int64_t images = 0;
  std::int64_t heads = 0;
};

/// What attention leaves for its backward pass, beside its input. Which of it is there depends on what computed.
struct AttentionTape {
  at::Tensor log_sums;  ///< Logarithms of the softmax's sums: [images, heads, query rows], or as a back end lays them.
  AttentionBackend backend = AttentionBackend::plain;  ///< On devices.
  at::Tensor out;  ///< What went into `out`; the fused back ends' alone, as the rest.
  at::Tensor q_offsets, k_offsets, seed, offset;
  std::int64_t longest_q = 0, longest_k = 0;
};

/// softmax(q kᵀ / sqrt(width / heads)) v (Vaswani et al., arXiv 1706.03762) into `out` [images * query rows, width].
/// Returns what the backward pass wants if `keep`. On devices by the back end that attention_in_force() has for the
/// shape; of one query beside more keys it is always the plain one.
AttentionTape attention(const AttentionInput& in, const at::Tensor& out, bool keep);

/// Writes the gradients of q, k and v into `gradients`, which may be q, k and v themselves, and adds those of their
/// biases to its biases.
void attention_backward(const AttentionInput& in, const at::Tensor& dout, const AttentionTape& tape,
                        const AttentionInput& gradients);

}  // namespace msn
