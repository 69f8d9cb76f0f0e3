// SPDX-License-Identifier: Apache-2.0
// What a view of an image is, drawn as a pure function of what it is for.
#pragma once

#include <array>
#include <cstdint>

#include "base/random.hpp"
#include "config/config.hpp"
#include "data/resize.hpp"

namespace msn {

enum class ColourOperation : std::uint8_t { brightness, contrast, saturation, hue };

/// Everything random in one view, in the order in which it is applied.
struct ViewParameters {
  CropBox crop;
  bool flip = false;
  bool jitter = false;
  std::array<ColourOperation, 4> order{};  ///< In which the jitter's operations are applied.
  std::array<double, 4> factors{};         ///< Indexed by ColourOperation.
  bool grayscale = false;
  bool blur = false;
  float radius = 0;  ///< Of the blur, pixels.
};

/// Whose view of which sample.
struct ViewKey {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint64_t sample = 0;
  std::uint32_t view = 0;  ///< 0 target, then the random views, then the focal ones.
};

/// torchvision's RandomResizedCrop: a box of a random share `scale` of the image's area with a log-uniform aspect ratio
/// in [3/4, 4/3]; after ten misses the largest centred box whose ratio is allowed.
CropBox draw_crop(RandomStream& stream, int width, int height, const std::array<double, 2>& scale);

/// The parameters of one view of a width x height image: crop, flip (0.5), colour jitter (0.8), grayscale (0.2), blur.
ViewParameters draw_view(const ViewsConfig& config, int width, int height, const ViewKey& key);

}  // namespace msn
