// SPDX-License-Identifier: Apache-2.0
// The functions of model/fused.hpp by LibTorch's operators, on any device: KernelForm::torch. None makes the host wait
// or brings values from host memory, so that they can be captured in a CUDA graph.
//
// In bfloat16 they round more often than the CPU's kernels do, between the operators. A GPU's layer norm takes its
// parameters and gives their gradients in the activations' type; statistics are float32 everywhere.
#pragma once

#include "model/fused.hpp"

namespace msn::torch_form {

LayerNormed add_layer_norm(const Stream& stream, const Affine& layer);
at::Tensor layer_norm_again(const LayerNormed& saved, const Affine& layer);
StreamGradient layer_norm_backward(const at::Tensor& dnormed, const LayerNormed& saved, const Affine& layer,
                                   const at::Tensor& dskip, const at::Tensor& skip_row, const at::Tensor& row_scale,
                                   const at::Tensor& branch_bias_gradient);
at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, bool in_place);
void bias_gelu_backward(const at::Tensor& dactivated, const at::Tensor& x, const at::Tensor& bias,
                        const at::Tensor& bias_gradient, bool activate);
void embed(const at::Tensor& patches, const at::Tensor& table, const at::Tensor& out);
EmbedGradients embed_backward(const at::Tensor& dtokens);

}  // namespace msn::torch_form
