// SPDX-License-Identifier: Apache-2.0
// The two codecs behind decode.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "data/decode.hpp"

namespace msn {

ImageFacts probe_jpeg(std::span<const std::byte> bytes);
ImageFacts probe_png(std::span<const std::byte> bytes);

struct JpegState;

/// Keeps one libjpeg decompressor from image to image. What an image brought, its tables above all, goes with it: an
/// image is decoded as if it were the first.
class JpegDecoder {
 public:
  JpegDecoder();
  ~JpegDecoder();
  void decode(std::span<const std::byte> bytes, Image& into);

 private:
  std::unique_ptr<JpegState> state_;
  std::vector<std::uint8_t> inks_;  ///< A few rows of CMYK.
};

/// libpng has nothing to keep but the rows of a 16-bit image.
class PngDecoder {
 public:
  void decode(std::span<const std::byte> bytes, Image& into);

 private:
  std::vector<std::uint8_t> deep_;         ///< 16-bit samples.
  std::vector<unsigned char*> row_start_;  ///< Where each row begins.
};

/// Throws data_error if an image of this size is refused.
void check_image_size(std::uint64_t width, std::uint64_t height);

}  // namespace msn
