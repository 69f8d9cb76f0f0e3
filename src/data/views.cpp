// SPDX-License-Identifier: Apache-2.0
#include "data/views.hpp"

#include "base/error.hpp"
#include "data/colour.hpp"

namespace msn {

namespace {

void apply(ColourOperation operation, double factor, Planes& image, const PixelKernels& kernels) {
  switch (operation) {
    case ColourOperation::brightness:
      return adjust_brightness(image, factor, kernels);
    case ColourOperation::contrast:
      return adjust_contrast(image, factor, kernels);
    case ColourOperation::saturation:
      return adjust_saturation(image, factor, kernels);
    case ColourOperation::hue:
      return adjust_hue(image, factor, kernels);
  }
}

}  // namespace

int view_count(const ViewsConfig& config) {
  return 1 + config.random + config.focal;
}

int view_size(const ViewsConfig& config, int view) {
  return view <= config.random ? config.random_size : config.focal_size;
}

ViewMaker::ViewMaker(const ViewsConfig& config, const PixelKernels& kernels)
    : interpolation_(config.interpolation),
      order_(config.resize_order),
      kernels_(&kernels),
      resizer_(kernels),
      blur_(kernels) {}

const Planes& ViewMaker::make(const TurnedImage& image, const ViewParameters& parameters, int size) {
  resizer_.resized_crop(image, parameters.crop, {size, size, interpolation_, order_, parameters.flip}, view_);
  if (parameters.jitter) {
    for (const ColourOperation operation : parameters.order)
      apply(operation, parameters.factors[static_cast<std::size_t>(operation)], view_, *kernels_);
  }
  if (parameters.grayscale) to_grayscale(view_, *kernels_);
  if (parameters.blur) blur_(view_, parameters.radius);
  return view_;
}

Planes make_view(const Image& image, const ViewParameters& parameters, int size, const ViewsConfig& config) {
  TurnedImage turned;
  turned.assign(image);
  return ViewMaker(config).make(turned, parameters, size);
}

Normaliser::Normaliser(const std::array<double, 3>& mean, const std::array<double, 3>& std) {
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t level = 0; level < 256; ++level) {
      tables_[c * 256 + level] =
          (static_cast<float>(level) / 255.0f - static_cast<float>(mean[c])) / static_cast<float>(std[c]);
    }
  }
}

void Normaliser::write_planes(const Planes& image, std::span<float> out) const {
  MSN_CHECK(out.size() == 3 * image.pixels());
  float* to = out.data();
  for (std::size_t c = 0; c < 3; ++c) {
    const float* table = tables_.data() + c * 256;
    for (const std::uint8_t level : image.plane(c))
      *to++ = table[level];
  }
}

void Normaliser::write_patch_rows(const Planes& image, int patch, std::span<const std::int64_t> kept,
                                  std::span<float> out) const {
  const auto side = static_cast<std::size_t>(patch);
  const auto width = static_cast<std::size_t>(image.width());
  const std::size_t grid = width / side;
  MSN_CHECK(out.size() == kept.size() * 3 * side * side);
  float* to = out.data();
  for (const std::int64_t number : kept) {
    const auto row = static_cast<std::size_t>(number) / grid;
    const auto column = static_cast<std::size_t>(number) % grid;
    MSN_CHECK(number >= 0 && (row + 1) * side <= static_cast<std::size_t>(image.height()));
    for (std::size_t c = 0; c < 3; ++c) {
      const float* table = tables_.data() + c * 256;
      const std::uint8_t* from = image.plane(c).data() + row * side * width + column * side;
      for (std::size_t y = 0; y < side; ++y, from += width) {
        for (std::size_t x = 0; x < side; ++x)
          *to++ = table[from[x]];
      }
    }
  }
}

void normalise(const Planes& image, const ViewsConfig& config, std::span<float> out) {
  Normaliser(config).write_planes(image, out);
}

}  // namespace msn
