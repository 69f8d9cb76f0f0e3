// SPDX-License-Identifier: Apache-2.0
// A rank's images go through the trunk in parts, and the gradients are those of the whole: docs/design.md §5.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "model/trunk.hpp"

namespace msn {

/// Parts that `samples` images of a rank go through the trunk in, `micro_batch` at once; 0: all. It must divide them.
std::int64_t micro_batches(std::int64_t samples, int micro_batch);

/// Trunk::forward() of `groups` without a tape, part by part: each group's rows in equal parts.
at::Tensor forward_in_parts(const Trunk& trunk, const ViewGroups& groups, std::int64_t parts);

/// Adds to the gradients what Trunk::backward() of all groups at once would, part by part, each forward once more with
/// a tape. `on_ready` hears of the last part alone, which completes the gradients.
void backward_in_parts(const Trunk& trunk, const ViewGroups& groups, const at::Tensor& dcls, std::int64_t parts,
                       const OnReady& on_ready);

}  // namespace msn
