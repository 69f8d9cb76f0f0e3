// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "comm/world.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/image.hpp"

namespace msn {

/// Features of one data set on every rank, in order of sample.
struct Features {
  at::Tensor values;                 ///< [samples, width]
  std::vector<std::int32_t> labels;  ///< -1: none.
};

/// The evaluation view: short side to 256/224 of the model's image size, then a centre crop of that size, normalised as
/// in training, [3, size, size]. An image whose short side is the model's size already is only cropped: pictures packed
/// at the training size are looked at whole.
void evaluation_view(const Image& image, const Config& config, std::span<float> out);

/// Features of every stride-th sample. `encode` maps normalised images [n, 3, size, size] to rows [n, width]. The
/// samples are shared over ranks, then gathered, so that all ranks hold all rows. `threads` decode on each rank.
Features extract_features(const World& world, const DataSet& set, std::uint64_t stride, const Config& config,
                          int threads, const std::function<at::Tensor(const at::Tensor&)>& encode);

}  // namespace msn
