// SPDX-License-Identifier: Apache-2.0
// Attention by LibTorch's operators: the functions of model/attention.hpp by a certain back end.
// AttentionBackend::plain runs on any device, the others on GPUs; they throw c10::Error for what they do not compute.
#pragma once

#include "model/attention.hpp"

namespace msn::torch_form {

AttentionTape attention(const AttentionInput& in, const at::Tensor& out, bool keep, AttentionBackend backend);
/// By the back end of the forward pass.
void attention_backward(const AttentionInput& in, const at::Tensor& dout, const AttentionTape& tape,
                        const AttentionInput& gradients);

}  // namespace msn::torch_form
