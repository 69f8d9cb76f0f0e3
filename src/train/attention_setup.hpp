// SPDX-License-Identifier: Apache-2.0
// Which back ends compute attention on the GPUs of this job, decided once, at its start.
#pragma once

#include <c10/core/Device.h>

#include <vector>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "model/attention_trial.hpp"

namespace msn {

/// The sequences of a step: of target, anchors and focal views.
std::vector<AttentionShape> attention_shapes(const Config& config, int ranks);

/// Has attention of all ranks computed by the back ends that runtime.attention asks for, on `device`, where each shape
/// of the configuration is tried first (try_attention()). One that is wrong or refuses on any rank is plain on all, and
/// a warning says so. Logs what is taken, and how close it came. `compute_capability`: the major number of this rank's
/// GPU (Gpu::compute_capability). All ranks call with an equal configuration, when their devices are bound; it waits
/// for them.
void set_up_attention(const World& world, const Config& config, at::Device device, int compute_capability,
                      const AttentionFunctions& functions = {});

}  // namespace msn
