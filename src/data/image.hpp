// SPDX-License-Identifier: Apache-2.0
// Pixels as they leave the decoder, and as the views work on them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "data/pixel_kernels.hpp"

namespace msn {

/// 8-bit RGB pixels, row-major, three bytes a pixel: rgb[(y * width + x) * 3 + channel].
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

/// 8-bit RGB pixels as three planes of rows without gaps, each followed by the slack that the kernels need. The views
/// work on planes, because loops over one channel vectorise. Memory is kept when an object is used again.
class Planes {
 public:
  /// Changes the size; the levels are undefined then, or 0 in a new object.
  void reshape(int width, int height);

  int width() const { return width_; }
  int height() const { return height_; }
  std::size_t pixels() const { return static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_); }
  /// plane(c)[y * width + x].
  std::span<std::uint8_t> plane(std::size_t channel) { return {values_.data() + channel * distance(), pixels()}; }
  std::span<const std::uint8_t> plane(std::size_t channel) const {
    return {values_.data() + channel * distance(), pixels()};
  }
  std::array<std::uint8_t*, 3> pointers() { return {plane(0).data(), plane(1).data(), plane(2).data()}; }

 private:
  std::size_t distance() const { return pixels() + pixel_slack; }

  int width_ = 0;
  int height_ = 0;
  std::vector<std::uint8_t> values_;
};

Planes to_planes(const Image& image);
Image to_image(const Planes& planes);

/// An image as the resize reads it: for each channel blocks of turned_rows rows, in a block column after column. Rows
/// below the last one of the image repeat it.
class TurnedImage {
 public:
  /// Takes the pixels of another image; memory is kept.
  void assign(const Image& image, const PixelKernels& kernels = pixel_kernels());

  int width() const { return width_; }
  int height() const { return height_; }
  /// The columns of a block from `column` on.
  const std::uint8_t* columns(std::size_t channel, std::size_t block, std::size_t column) const {
    return values_.data() + ((channel * blocks_ + block) * static_cast<std::size_t>(width_) + column) * turned_rows;
  }

 private:
  int width_ = 0;
  int height_ = 0;
  std::size_t blocks_ = 0;
  std::vector<std::uint8_t> values_;
};

}  // namespace msn
