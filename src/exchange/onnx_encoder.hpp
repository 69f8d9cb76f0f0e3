// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/onnx.hpp"
#include "exchange/onnx_graph.hpp"

namespace msn {

/// The Vision Transformer (Dosovitskiy et al., arXiv 2010.11929; pre-norm blocks, exact GELU) with the input and the
/// outputs that write_onnx() promises.
OnnxGraph onnx_encoder_graph(const OnnxEncoder& encoder);

}  // namespace msn
