// SPDX-License-Identifier: Apache-2.0
// JPEG and PNG bytes to RGB pixels: the same pixels as Pillow's open().convert("RGB").
//
// Grey is copied to three channels, CMYK and YCCK are converted by Pillow's rule, palettes are expanded, alpha is
// dropped, 16-bit grey is clipped at 255 (16-bit colour keeps its high byte), the EXIF orientation is not applied. A
// stream that ends early is an error, a lone missing end marker too; other damage that libjpeg only warns of is
// accepted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "data/image.hpp"

namespace msn {

/// Images with more pixels are refused before memory is taken for them.
inline constexpr std::uint64_t max_image_pixels = std::uint64_t{1} << 28;

enum class ImageFormat { jpeg, png, unknown };

/// By the magic bytes alone.
ImageFormat image_format(std::span<const std::byte> bytes);

/// What an image file says of itself.
struct ImageFacts {
  ImageFormat format = ImageFormat::unknown;
  int width = 0;
  int height = 0;
  int components =
      0;  ///< Channels in the file: 1 grey or palette, 2 grey and alpha, 3, 4 (CMYK for JPEG, RGBA for PNG).
  int orientation = 0;  ///< EXIF orientation of a JPEG, 1 to 8; 0 where there is none.
};

/// Reads the header only. Throws data_error with the reason (the caller adds where the bytes came from).
ImageFacts probe(std::span<const std::byte> bytes);

/// Throws data_error with the reason: no image, damaged, truncated, too large.
Image decode(std::span<const std::byte> bytes);

}  // namespace msn
