// SPDX-License-Identifier: Apache-2.0
// What a run will be, from its configuration alone: nothing is loaded, nothing is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "objective/schedules.hpp"
#include "train/memory_plan.hpp"

namespace msn {

constexpr std::uint64_t kImageNetImages = 1281167;  ///< ILSVRC 2012, training set.

struct RunPlan {
  int ranks = 1;
  std::int64_t local_batch = 0;  ///< Images of a step on one rank.

  std::int64_t trunk_parameters = 0;
  std::int64_t head_parameters = 0;
  std::int64_t prototype_parameters = 0;
  std::int64_t parameters() const { return trunk_parameters + head_parameters + prototype_parameters; }

  std::int64_t target_tokens = 0;  ///< Of one view, the class token included.
  std::int64_t random_tokens = 0;  ///< After the mask.
  std::int64_t focal_tokens = 0;   ///< 0 without focal views.

  double image_flops = 0;         ///< A training step for one source image, all its views, full model.
  double image_flops_as_run = 0;  ///< As computed: the last block for the class token alone, micro-batches
                                  ///< twice.

  MemoryPlan memory;  ///< Of the rank that takes most.

  std::uint64_t images = 0;
  std::uint64_t steps_per_epoch = 0;
  std::uint64_t steps = 0;
  std::uint64_t warmup_steps = 0;
  ScheduleValues start, warm, end;  ///< Of the first step, the last of the warm-up, the last.
};

/// For a data set of `images`. Throws config_error if the batch cannot be shared by the ranks or is larger than the
/// data, or if train.micro_batch does not divide a rank's share.
RunPlan plan_run(const Config& config, int ranks, std::uint64_t images, bool on_gpu = false);

/// A warning for every kind of view whose last pixels no patch covers: they are dropped, as in the official code.
std::vector<std::string> dropped_pixels(const Config& config);

}  // namespace msn
