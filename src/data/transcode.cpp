// SPDX-License-Identifier: Apache-2.0
#include "data/transcode.hpp"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "data/encode.hpp"
#include "data/resize.hpp"

namespace msn {

namespace {

/// `side` scaled by max_side / long_side, rounded half up.
int scaled(int side, int long_side, int max_side) {
  const std::int64_t doubled = std::int64_t{2} * side * max_side + long_side;
  return std::max(1, static_cast<int>(doubled / (std::int64_t{2} * long_side)));
}

}  // namespace

std::optional<std::vector<std::byte>> transcode(const Image& image, const Transcode& how) {
  if (how.max_side == 0) return encode_jpeg(image, how.quality);
  const int long_side = std::max(image.width, image.height);
  if (long_side <= how.max_side) return std::nullopt;
  ResizeTo to;
  to.width = scaled(image.width, long_side, how.max_side);
  to.height = scaled(image.height, long_side, how.max_side);
  to.interpolation = Interpolation::bicubic;
  return encode_jpeg(to_image(resized_crop(image, {0, 0, image.height, image.width}, to)), how.quality);
}

nlohmann::json to_json(const Transcode& how) {
  return {{"max_side", how.max_side}, {"quality", how.quality}};
}

Transcode transcode_from_json(const nlohmann::json& document) {
  return {document.at("max_side").get<int>(), document.at("quality").get<int>()};
}

}  // namespace msn
