// SPDX-License-Identifier: Apache-2.0
// The kernels of src/kernels on tensors: what a block does between its matrix products. Activations are float32,
// float64 or bfloat16; parameters, their gradients and the statistics of layer norms are float32 beside bfloat16.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/layers.hpp"

namespace msn {

/// The residual stream: x plus a branch that is not yet added, row_scale (branch + branch_bias).
struct Stream {
  at::Tensor x;            ///< [rows, width]
  at::Tensor branch;       ///< [rows, width]; undefined: none.
  at::Tensor branch_bias;  ///< [width]; undefined: the branch has it already (torch_form only).
  at::Tensor row_scale;    ///< [rows]; undefined: 1.
};

struct LayerNormed {
  at::Tensor sum;  ///< Of the stream; in the memory of the branch.
  at::Tensor mean, rstd;
  at::Tensor normed;
};
LayerNormed add_layer_norm(const Stream& stream, const Affine& layer);

/// `normed` once more, from the rest.
at::Tensor layer_norm_again(const LayerNormed& saved, const Affine& layer);

struct StreamGradient {
  at::Tensor dx;       ///< Of the sum, and so of x.
  at::Tensor dbranch;  ///< dx times row_scale.
};
/// Overwrites dnormed. `dskip` [rows, width] is the gradient of the skip connection beside the norm, or with `skip_row`
/// (int64 [rows]) that of the rows that have one: its row, else -1. Adds the layer's gradients and, if it is defined,
/// that of the stream's branch bias.
StreamGradient layer_norm_backward(const at::Tensor& dnormed, const LayerNormed& saved, const Affine& layer,
                                   const at::Tensor& dskip, const at::Tensor& skip_row, const at::Tensor& row_scale,
                                   const at::Tensor& branch_bias_gradient);

/// GELU(x + bias); x [rows, width]. In place or not. An undefined bias is in x already (torch_form only); so below.
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool in_place);

/// Turns dactivated into the gradient of x in place and adds that of the bias; with `activate` turns x into the
/// activation.
void bias_gelu_backward(const at::Tensor& dactivated, const at::Tensor& x, const at::Tensor& bias,
                        const at::Tensor& bias_gradient, bool activate);

/// Writes the tokens [images, tokens, width] of patches [images, tokens - 1, width] and a table [tokens, width] or
/// [images, tokens, width] into `out`, whose memory is contiguous.
void embed(const at::Tensor& patches, const at::Tensor& table, const at::Tensor& out);

struct EmbedGradients {
  at::Tensor dpatches;  ///< [images, tokens - 1, width]
  at::Tensor dtable;    ///< [tokens, width], summed over the images.
};
EmbedGradients embed_backward(const at::Tensor& dtokens);

}  // namespace msn
