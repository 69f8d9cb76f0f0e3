// SPDX-License-Identifier: Apache-2.0
#include "data/views.hpp"

#include <array>

#include "base/error.hpp"
#include "data/blur.hpp"
#include "data/colour.hpp"
#include "data/resize.hpp"

namespace msn {

namespace {

void apply(ColourOperation operation, double factor, Planes& image) {
  switch (operation) {
    case ColourOperation::brightness:
      return adjust_brightness(image, factor);
    case ColourOperation::contrast:
      return adjust_contrast(image, factor);
    case ColourOperation::saturation:
      return adjust_saturation(image, factor);
    case ColourOperation::hue:
      return adjust_hue(image, factor);
  }
}

}  // namespace

int view_count(const ViewsConfig& config) {
  return 1 + config.random + config.focal;
}

int view_size(const ViewsConfig& config, int view) {
  return view <= config.random ? config.random_size : config.focal_size;
}

Planes make_view(const Image& image, const ViewParameters& parameters, int size, const ViewsConfig& config) {
  Planes view = resized_crop(image, parameters.crop, size, size, config.interpolation, config.resize_order);
  if (parameters.flip) flip_horizontally(view);
  if (parameters.jitter) {
    for (const ColourOperation operation : parameters.order) {
      apply(operation, parameters.factors[static_cast<std::size_t>(operation)], view);
    }
  }
  if (parameters.grayscale) to_grayscale(view);
  if (parameters.blur) gaussian_blur(view, parameters.radius);
  return view;
}

void normalise(const Planes& image, const ViewsConfig& config, std::span<float> out) {
  MSN_CHECK(out.size() == image.values.size());
  float* to = out.data();
  for (std::size_t c = 0; c < 3; ++c) {
    std::array<float, 256> table;
    const auto mean = static_cast<float>(config.mean[c]);
    const auto deviation = static_cast<float>(config.std[c]);
    for (std::size_t level = 0; level < 256; ++level) {
      table[level] = (static_cast<float>(level) / 255.0f - mean) / deviation;
    }
    for (const std::uint8_t level : image.plane(c))
      *to++ = table[level];
  }
}

}  // namespace msn
