// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/config.hpp"
#include "data/batch.hpp"
#include "train/step.hpp"

namespace msn {

/// ViewGroup::branch_scale of `views` anchor views from `first_view` on, beside activations in `type`; undefined
/// without drop path.
at::Tensor branch_scale(const Batch& batch, const Config& config, int first_view, int views, at::ScalarType type);

/// The step's input from a batch, with the drop path that the configuration asks for; the patches in `type`. In float32
/// the patches are the batch's own memory, which must outlive them.
StepInput make_step_input(const Batch& batch, const Config& config, at::ScalarType type);

}  // namespace msn
