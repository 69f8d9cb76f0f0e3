// SPDX-License-Identifier: Apache-2.0
// From decoded images and view parameters to the numbers that the network reads.
#pragma once

#include <span>

#include "config/config.hpp"
#include "data/image.hpp"
#include "data/view_parameters.hpp"

namespace msn {

/// Views of one sample: the target view, the random ones, the focal ones.
int view_count(const ViewsConfig& config);
/// Pixels a side of view `view`.
int view_size(const ViewsConfig& config, int view);

/// The pixels of a view, size x size: crop and resize, flip, colour jitter, grayscale, blur.
Planes make_view(const Image& image, const ViewParameters& parameters, int size, const ViewsConfig& config);

/// (level / 255 - mean) / std of each channel in float32 with every step rounded, as ToTensor and Normalize do. `out`
/// is [3][height][width].
void normalise(const Planes& image, const ViewsConfig& config, std::span<float> out);

}  // namespace msn
