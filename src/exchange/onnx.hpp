// SPDX-License-Identifier: Apache-2.0
// The encoder of a run as an ONNX model, which onnxruntime and others run without msn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "exchange/named_tensor.hpp"

namespace msn {

/// Sizes of a Vision Transformer (model/vit.hpp).
struct OnnxEncoder {
  std::int64_t width = 0;
  std::int64_t depth = 0;
  std::int64_t heads = 0;
  std::int64_t mlp = 0;    ///< Width of the hidden layer of the MLPs.
  std::int64_t patch = 0;  ///< Pixels a side.
  std::int64_t image = 0;  ///< Pixels a side. Those beyond the last whole patch are unused.
  double layer_norm_eps = 0;

  std::int64_t grid() const { return image / patch; }
  std::int64_t tokens() const { return 1 + grid() * grid(); }
};

/// What a file says of itself: the program and its version, and texts by name for whoever prepares images for it.
struct OnnxFacts {
  std::string producer_version;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// Weights of more bytes than this go into a file of their own: no message of Protocol Buffers holds 2^31.
inline constexpr std::uint64_t kOnnxInlineLimit = std::uint64_t{3} << 29;

/// Writes the model, in operators of version 17, so that `file` is complete or not there, also after a crash. `tensors`
/// are float32 under their official names; they keep name, shape and bytes, and those that the encoder has no use for
/// (the head's) are left out. With more than `inline_limit` bytes of them they go into FILE.data, which the model names
/// and which must lie beside it, each at a multiple of 64 KiB. One tensor at a time is in memory. Equal arguments give
/// equal bytes.
///
/// Input: pixel_values [batch, 3, image, image], normalised as in training. Outputs, float32:
///   last_hidden_state [batch, tokens, width]: class token and patches (row-major) after the final layer norm;
///   cls               [batch, width]:  its first row, what heads are trained on;
///   patches           [batch, grid², width]: its other rows;
///   cls_before_norm   [batch, width]:  the class token before the final layer norm, which MSN's evaluations take.
///
/// Throws data_error if it cannot be written, internal_error for tensors that are not those of the encoder; whatever
/// read() throws.
void write_onnx(const std::filesystem::path& file, const OnnxEncoder& encoder, std::span<const NamedTensor> tensors,
                const OnnxFacts& facts, std::uint64_t inline_limit = kOnnxInlineLimit);

}  // namespace msn
