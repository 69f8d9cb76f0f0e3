// SPDX-License-Identifier: Apache-2.0
// What a measurement rests on beside its configuration, so that numbers of other machines, builds or settings are not
// taken for its like.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "comm/gpus.hpp"
#include "comm/world.hpp"
#include "config/config.hpp"

namespace msn {

/// Hash of the resolved configuration but for train.global_batch: equal for all points of a study of one model.
std::string settings_digest(const Config& config);

/// Time, versions, processors and devices of the hosts, threads, the batch job, and what the environment says to the
/// libraries of threads, matrix products and messages. `gpu` is this rank's, nullptr on processors; `threads` 0: the
/// measurement has no compute threads of its own. All ranks call; the same on all.
nlohmann::ordered_json provenance(const World& world, const Gpu* gpu, int threads);

}  // namespace msn
