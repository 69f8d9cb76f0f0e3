// SPDX-License-Identifier: Apache-2.0
// JPEG and PNG bytes to RGB pixels: the same pixels as Pillow's open().convert("RGB").
//
// Grey is copied to three channels, CMYK and YCCK are converted by Pillow's rule, palettes are expanded, alpha is
// dropped, 16-bit grey is clipped at 255 (16-bit colour keeps its high byte), the EXIF orientation is not applied. A
// stream that ends early is an error, a lone missing end marker too; other damage that libjpeg only warns of is
// accepted. Two things are stricter than in Pillow: a PNG whose pixels are whole must also have its
// checksums and its end chunk, and a JPEG that is damaged and lacks its end marker as well is always refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
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

/// Decodes image after image; the codec and the pixels of `into` are used again, so that a thread that keeps both takes
/// no memory of its own for the next image. One a thread. An image is decoded the same whatever came before it.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  /// Throws data_error with the reason: no image, damaged, truncated, too large. `into` holds anything then, the
  /// decoder is ready for the next image.
  void decode(std::span<const std::byte> bytes, Image& into);

 private:
  struct Codecs;
  std::unique_ptr<Codecs> codecs_;
};

/// Decodes one image. Throws data_error as Decoder does.
Image decode(std::span<const std::byte> bytes);

}  // namespace msn
