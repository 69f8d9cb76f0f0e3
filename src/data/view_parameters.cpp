// SPDX-License-Identifier: Apache-2.0
#include "data/view_parameters.hpp"

#include <algorithm>
#include <cmath>

namespace msn {

namespace {

constexpr double min_ratio = 3.0 / 4.0;
constexpr double max_ratio = 4.0 / 3.0;

int draw_offset(RandomStream& stream, int room) {
  return static_cast<int>(stream.below(static_cast<std::uint32_t>(room) + 1));
}

}  // namespace

CropBox draw_crop(RandomStream& stream, int width, int height, const std::array<double, 2>& scale) {
  const double log_low = std::log(static_cast<float>(min_ratio));
  const double log_high = std::log(static_cast<float>(max_ratio));
  const double area = static_cast<double>(width) * height;
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double target = area * stream.uniform(scale[0], scale[1]);
    const double ratio = std::exp(stream.uniform(log_low, log_high));
    // nearbyint rounds half to even, as Python's round does.
    const int w = static_cast<int>(std::nearbyint(std::sqrt(target * ratio)));
    const int h = static_cast<int>(std::nearbyint(std::sqrt(target / ratio)));
    if (w <= 0 || w > width || h <= 0 || h > height) continue;
    const int top = draw_offset(stream, height - h);
    return {top, draw_offset(stream, width - w), h, w};
  }
  const double ratio = static_cast<double>(width) / height;
  int w = width;
  int h = height;
  if (ratio < min_ratio) h = std::min(height, static_cast<int>(std::nearbyint(w / min_ratio)));
  if (ratio > max_ratio) w = std::min(width, static_cast<int>(std::nearbyint(h * max_ratio)));
  return {(height - h) / 2, (width - w) / 2, h, w};
}

ViewParameters draw_view(const ViewsConfig& config, int width, int height, const ViewKey& key) {
  const auto stream = [&key](Purpose purpose) {
    return RandomStream(key.seed, key.epoch, key.sample, key.view, purpose);
  };
  const bool is_focal = key.view > static_cast<std::uint32_t>(config.random);
  ViewParameters view;
  RandomStream crop = stream(Purpose::crop);
  view.crop = draw_crop(crop, width, height, is_focal ? config.focal_scale : config.random_scale);
  view.flip = stream(Purpose::flip).chance(0.5);

  RandomStream jitter = stream(Purpose::jitter);
  view.jitter = jitter.chance(0.8);
  const std::vector<std::uint32_t> order = jitter.permutation(4);
  std::transform(order.begin(), order.end(), view.order.begin(),
                 [](std::uint32_t operation) { return static_cast<ColourOperation>(operation); });
  const double strength = 0.8 * config.jitter;
  for (std::size_t i = 0; i < 3; ++i)
    view.factors[i] = jitter.uniform(std::max(0.0, 1.0 - strength), 1.0 + strength);
  view.factors[3] = jitter.uniform(-0.2 * config.jitter, 0.2 * config.jitter);

  view.grayscale = stream(Purpose::grayscale).chance(0.2);
  RandomStream blur = stream(Purpose::blur);
  view.blur = blur.chance(config.blur);
  view.radius = static_cast<float>(blur.uniform(0.1, 2.0));
  return view;
}

}  // namespace msn
