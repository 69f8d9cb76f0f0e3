// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "config/config.hpp"
#include "data/batch.hpp"
#include "train/step.hpp"

namespace msn {

/// Puts views [samples, 3, size, size] (view 0 the target view, then `random` views, then the focal ones) into the
/// groups of a step. `keep` is the mask of the random views: int64 [kept], [random * samples, kept], or undefined.
StepInput make_step_input(const std::vector<at::Tensor>& views, int random, const at::Tensor& keep, std::int64_t patch);

/// The mask of the random views of consecutive samples of one step, the first at `position` of the epoch, in a form
/// that make_step_input takes: int64 [kept], or [random * samples, kept]; undefined if nothing is masked.
at::Tensor random_view_masks(const Config& config, std::uint64_t epoch, std::uint64_t position,
                             std::span<const std::uint64_t> samples);

/// The step's input from a loaded batch, with the mask and the drop path that the configuration asks for, in `type`.
StepInput make_step_input(const Batch& batch, const Config& config, at::ScalarType type);

}  // namespace msn
