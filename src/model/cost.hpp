// SPDX-License-Identifier: Apache-2.0
// What a view costs, by formula: floating-point operations.
#pragma once

#include <cstdint>

#include "model/vit.hpp"

namespace msn {

/// How much of the last block is computed: for all tokens, as the published program does, or for the class token alone,
/// which is all that the loss uses and what Trunk does.
enum class LastBlock { all_tokens, class_token };

/// Operations of one view in matrix products, a multiply-add counted as two.
struct ViewFlops {
  double patch_embedding = 0;
  double rest = 0;  ///< Blocks, head, similarity to the prototypes.

  double forward() const { return patch_embedding + rest; }
  /// Forward and backward: twice the forward pass for the gradients of inputs and weights. Pixels take no gradient.
  double training() const { return 2 * patch_embedding + 3 * rest; }
};

/// For a view of `tokens` tokens, the class token included. A block of width D over T tokens takes 24 T D² in its
/// linear layers (queries, keys, values 6, projection 2, MLP 16) and 4 T² D in attention; of the class token alone 4 T
/// D² + 20 D² + 4 T D.
ViewFlops view_flops(const VitShape& shape, std::int64_t prototypes, std::int64_t tokens, LastBlock last);

}  // namespace msn
