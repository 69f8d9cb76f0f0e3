// SPDX-License-Identifier: Apache-2.0
#include "data/encode_png.hpp"

#include <png.h>

#include <string>

#include "base/error.hpp"

namespace msn {

std::vector<std::byte> encode_png(const Image& image) {
  MSN_CHECK(image.width > 0 && image.height > 0 &&
            image.rgb.size() ==
                std::size_t{3} * static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  // libpng's simplified interface needs no jumps: it returns 0 and leaves a message.
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::vector<std::byte> bytes(size);
  if (png_image_write_to_memory(&header, bytes.data(), &size, 0, image.rgb.data(), 3 * image.width, nullptr) == 0) {
    const std::string message = header.message;
    png_image_free(&header);
    throw internal_error("libpng cannot encode an image: " + message);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace msn
