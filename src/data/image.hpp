// SPDX-License-Identifier: Apache-2.0
// Pixels as they leave the decoder, and as the views work on them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace msn {

/// 8-bit RGB pixels, row-major, three bytes a pixel: rgb[(y * width + x) * 3 + channel].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

/// 8-bit RGB pixels as three planes: values[(channel * height + y) * width + x]. The views work on planes, because
/// loops over one channel vectorise.
struct Planes {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> values;

  std::size_t pixels() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(height); }
  std::span<std::uint8_t> plane(std::size_t channel) { return std::span(values).subspan(channel * pixels(), pixels()); }
  std::span<const std::uint8_t> plane(std::size_t channel) const {
    return std::span(values).subspan(channel * pixels(), pixels());
  }
};

/// Planes of zeros.
Planes make_planes(int width, int height);

Planes to_planes(const Image& image);
Image to_image(const Planes& planes);

}  // namespace msn
