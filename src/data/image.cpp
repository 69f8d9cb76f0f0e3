// SPDX-License-Identifier: Apache-2.0
#include "data/image.hpp"

namespace msn {

Planes make_planes(int width, int height) {
  return {width, height,
          std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3)};
}

Planes to_planes(const Image& image) {
  Planes planes = make_planes(image.width, image.height);
  const std::size_t n = planes.pixels();
  std::uint8_t* out = planes.values.data();
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = image.rgb[3 * i];
    out[n + i] = image.rgb[3 * i + 1];
    out[2 * n + i] = image.rgb[3 * i + 2];
  }
  return planes;
}

Image to_image(const Planes& planes) {
  const std::size_t n = planes.pixels();
  Image image{planes.width, planes.height, std::vector<std::uint8_t>(3 * n)};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t c = 0; c < 3; ++c)
      image.rgb[3 * i + c] = planes.values[c * n + i];
  }
  return image;
}

}  // namespace msn
