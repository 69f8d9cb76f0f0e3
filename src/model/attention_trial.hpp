// SPDX-License-Identifier: Apache-2.0
// Whether a back end of attention is right on this machine: tried on made-up numbers, before a run begins.
#pragma once

#include <functional>
#include <string>

#include "model/torch_attention.hpp"

namespace msn {

/// What is tried: the functions of torch_form, or a test's.
struct AttentionFunctions {
  std::function<AttentionTape(const AttentionInput&, const at::Tensor& out, bool keep, AttentionBackend)> forward =
      torch_form::attention;
  std::function<void(const AttentionInput&, const at::Tensor& dout, const AttentionTape&,
                     const AttentionInput& gradients)>
      backward = torch_form::attention_backward;
};

struct AttentionTrial {
  AttentionShape shape;
  AttentionBackend asked;
  AttentionBackend taken;     ///< `asked`, or plain if that is wrong or refuses.
  double output_error = 0;    ///< Largest difference from the plain back end, relative to the largest value.
  double gradient_error = 0;  ///< The same of the gradients of queries, keys and values: the worst of them.
  std::string problem;        ///< Why `asked` was not taken, in one line; empty: it was.
};

/// How large the errors of a trial may be. Rounding makes up to 1e-2 in bfloat16, 1e-3 from TensorFloat-32 operands
/// and 1e-6 in float32; what was ever wrong in a back end was off by a multiple of the values, or not a number.
double attention_tolerance(at::ScalarType type);

/// Compares forward and backward of two small images with those of the plain back end on the same device. Waits for the
/// device; throws only what the plain back end does.
AttentionTrial try_attention(const AttentionShape& shape, std::int64_t heads, AttentionBackend backend,
                             at::Device device, const AttentionFunctions& functions = {});

}  // namespace msn
