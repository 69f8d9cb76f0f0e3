// SPDX-License-Identifier: Apache-2.0
#include "golden_images.hpp"

#include <cstring>

#include "data/decode.hpp"
#include "support/sha256.hpp"

namespace msn::test {

Digest digest(const Image& image) {
  return sha256(image.rgb);
}

Digest digest(const Planes& planes) {
  return digest(to_image(planes));
}

std::vector<Digest> read_digests(const h5::File& file, const std::string& dataset) {
  const std::vector<std::uint8_t> bytes = file.read<std::uint8_t>(dataset);
  std::vector<Digest> out(bytes.size() / sizeof(Digest));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(Digest));
  return out;
}

std::vector<std::vector<std::byte>> read_encoded(const h5::File& file) {
  const auto bytes = file.read<std::uint8_t>("image/bytes");
  const auto offset = file.read<std::uint64_t>("image/offset");
  std::vector<std::vector<std::byte>> out(offset.size() - 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i].resize(offset[i + 1] - offset[i]);
    if (!out[i].empty()) std::memcpy(out[i].data(), bytes.data() + offset[i], out[i].size());
  }
  return out;
}

std::vector<Image> read_inputs(const h5::File& file) {
  const auto encoded = read_encoded(file);
  const auto row = file.read<std::int32_t>("input/image");
  const auto width = file.read<std::int32_t>("input/width");
  const auto height = file.read<std::int32_t>("input/height");
  const auto offset = file.read<std::int64_t>("input/pixel_offset");
  const auto pixels = file.read<std::uint8_t>("input/pixels");
  std::vector<Image> out;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (offset[i] < 0) {
      out.push_back(decode(encoded[static_cast<std::size_t>(row[i])]));
      continue;
    }
    const auto from = pixels.begin() + offset[i];
    out.push_back({width[i], height[i], {from, from + 3 * std::int64_t{width[i]} * height[i]}});
  }
  return out;
}

}  // namespace msn::test
