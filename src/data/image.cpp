// SPDX-License-Identifier: Apache-2.0
#include "data/image.hpp"

#include <algorithm>

namespace msn {

void Planes::reshape(int width, int height) {
  width_ = width;
  height_ = height;
  values_.resize(3 * distance());
}

Planes to_planes(const Image& image) {
  Planes planes;
  planes.reshape(image.width, image.height);
  for (std::size_t c = 0; c < 3; ++c) {
    const std::uint8_t* from = image.rgb.data() + c;
    for (std::uint8_t& level : planes.plane(c)) {
      level = *from;
      from += 3;
    }
  }
  return planes;
}

Image to_image(const Planes& planes) {
  Image image{planes.width(), planes.height(), std::vector<std::uint8_t>(3 * planes.pixels())};
  for (std::size_t c = 0; c < 3; ++c) {
    std::uint8_t* to = image.rgb.data() + c;
    for (const std::uint8_t level : planes.plane(c)) {
      *to = level;
      to += 3;
    }
  }
  return image;
}

void TurnedImage::assign(const Image& image, const PixelKernels& kernels) {
  width_ = image.width;
  height_ = image.height;
  const auto width = static_cast<std::size_t>(width_);
  const auto height = static_cast<std::size_t>(height_);
  blocks_ = (height + turned_rows - 1) / turned_rows;
  // A tile of 16 columns may be read from any column on.
  values_.resize((3 * blocks_ * width + turned_rows) * turned_rows);
  for (std::size_t block = 0; block < blocks_; ++block) {
    std::array<const std::uint8_t*, turned_rows> rows;
    for (std::size_t r = 0; r < turned_rows; ++r)
      rows[r] = image.rgb.data() + std::min(block * turned_rows + r, height - 1) * width * 3;
    std::array<std::uint8_t*, 3> channels;
    for (std::size_t c = 0; c < 3; ++c)
      channels[c] = values_.data() + (c * blocks_ + block) * width * turned_rows;
    kernels.split_and_turn(rows.data(), width, channels.data());
  }
}

}  // namespace msn
