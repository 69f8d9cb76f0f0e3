// SPDX-License-Identifier: Apache-2.0
// What the last block of a Vision Transformer sees of images, and where its class token looks.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/parameters.hpp"
#include "model/trunk.hpp"

namespace msn {

struct LastBlock {
  at::Tensor
      tokens;  ///< What enters the block, before its norm: [images, 1 + patches, width]; the first is the class token.
  at::Tensor normed;     ///< After its norm.
  at::Tensor attention;  ///< Of the class token over all tokens: [images, heads, 1 + patches], each row sums to 1.
};

/// Of images [n, 3, size, size], normalised, on the CPU. `trunk` is that of `parameters` and `shape`, in their type.
/// The patch tokens are those that enter the last block: of this one training uses the class token alone.
LastBlock look_at_last_block(const Trunk& trunk, const Parameters& parameters, const VitShape& shape,
                             const at::Tensor& images);

/// Rows [n, width] -> colours [n, 3] from 0 to 1: their first three principal components, each stretched so that all
/// but the outermost hundredths lie within. The sign of a component is that of its largest weight. A component without
/// variance gives 0.5. n and width >= 3.
at::Tensor principal_colours(const at::Tensor& rows);

}  // namespace msn
