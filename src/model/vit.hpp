// SPDX-License-Identifier: Apache-2.0
// What the networks are made of: sizes, tensor names and shapes, batch-norm buffers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/parameters.hpp"

namespace msn {

/// A Vision Transformer (Dosovitskiy et al., arXiv 2010.11929; pre-norm blocks, class token, learned positions, exact
/// GELU, layer-norm eps 1e-6, biases everywhere) with the MSN projection head.
struct VitShape {
  std::int64_t width = 384;
  std::int64_t depth = 12;
  std::int64_t heads = 6;
  std::int64_t patch = 16;  ///< Pixels a side.
  std::int64_t grid = 14;   ///< Patches a side of the position table.
  std::int64_t head_hidden = 2048;
  std::int64_t head_out = 256;

  std::int64_t mlp() const { return 4 * width; }
  std::int64_t patch_values() const { return 3 * patch * patch; }
};

inline constexpr double kLayerNormEps = 1e-6;
inline constexpr double kBatchNormEps = 1e-5;
inline constexpr double kBatchNormMomentum = 0.1;  ///< Of the running statistics: new = (1 - m) old + m batch.

/// Trunk and head, in the order of the forward pass, under their official names.
std::vector<NamedShape> encoder_tensors(const VitShape& shape);

/// Running statistics of one batch norm: what it has seen, kept for export; training never reads them.
struct BatchNormBuffers {
  at::Tensor running_mean;   ///< [H]
  at::Tensor running_var;    ///< [H], unbiased
  std::int64_t batches = 0;  ///< num_batches_tracked
};

/// The buffers of one network's head: fc.bn1 and fc.bn2.
struct HeadBuffers {
  HeadBuffers(const VitShape& shape, at::ScalarType type, at::Device device = at::kCPU);
  BatchNormBuffers bn1;
  BatchNormBuffers bn2;
};

}  // namespace msn
