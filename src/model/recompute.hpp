// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace msn {

/// What the backward pass computes again instead of reading it: norms and activations that the forward pass has had, to
/// the same bits. No product of matrices is run again but attention's scores, which are never kept.
enum class Recompute { nothing, norms_and_activations };

}  // namespace msn
