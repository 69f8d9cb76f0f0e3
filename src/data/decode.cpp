// SPDX-License-Identifier: Apache-2.0
#include "data/decode.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/error.hpp"
#include "data/codecs.hpp"

namespace msn {

namespace {

template <std::size_t N>
bool starts_with(std::span<const std::byte> bytes, const std::array<unsigned char, N>& magic) {
  return bytes.size() >= N && std::equal(magic.begin(), magic.end(), bytes.begin(), [](unsigned char a, std::byte b) {
           return a == std::to_integer<unsigned char>(b);
         });
}

Error not_an_image(std::span<const std::byte> bytes) {
  return data_error(bytes.empty() ? "the file is empty" : "neither a JPEG nor a PNG by its first bytes");
}

}  // namespace

void check_image_size(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) throw data_error("the image has no pixels");
  if (width > 65535 || height > 65535 || width * height > max_image_pixels) {
    throw data_error("the image claims " + std::to_string(width) + " x " + std::to_string(height) +
                     " pixels, more than the limit of 65535 a side and 2^28 in all");
  }
}

ImageFormat image_format(std::span<const std::byte> bytes) {
  if (starts_with(bytes, std::array<unsigned char, 3>{0xff, 0xd8, 0xff})) return ImageFormat::jpeg;
  if (starts_with(bytes, std::array<unsigned char, 8>{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'})) {
    return ImageFormat::png;
  }
  return ImageFormat::unknown;
}

ImageFacts probe(std::span<const std::byte> bytes) {
  switch (image_format(bytes)) {
    case ImageFormat::jpeg:
      return probe_jpeg(bytes);
    case ImageFormat::png:
      return probe_png(bytes);
    case ImageFormat::unknown:
      break;
  }
  throw not_an_image(bytes);
}

struct Decoder::Codecs {
  JpegDecoder jpeg;
  PngDecoder png;
};

Decoder::Decoder() : codecs_(std::make_unique<Codecs>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

void Decoder::decode(std::span<const std::byte> bytes, Image& into) {
  switch (image_format(bytes)) {
    case ImageFormat::jpeg:
      return codecs_->jpeg.decode(bytes, into);
    case ImageFormat::png:
      return codecs_->png.decode(bytes, into);
    case ImageFormat::unknown:
      break;
  }
  throw not_an_image(bytes);
}

Image decode(std::span<const std::byte> bytes) {
  Image image;
  Decoder().decode(bytes, image);
  return image;
}

}  // namespace msn
