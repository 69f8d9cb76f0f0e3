// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>

#include "evaluate/features.hpp"
#include "evaluate/training_views.hpp"

namespace msn {

/// Features of random views: float32 [samples.size(), maker.width], made by `threads` compute threads, each of which
/// takes batches of maker.batch images. `views` must be single-threaded. `progress`, which may be empty, is called on
/// the main thread now and then. Throws data_error, naming the image, if one cannot be read.
at::Tensor view_features(const TrainingViews& views, const FeatureMaker& maker, std::uint64_t epoch,
                         std::span<const std::uint64_t> samples, int threads,
                         const std::function<void()>& progress = {});

}  // namespace msn
