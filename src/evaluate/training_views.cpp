// SPDX-License-Identifier: Apache-2.0
#include "evaluate/training_views.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.hpp"
#include "base/random.hpp"
#include "data/read_image.hpp"
#include "data/views.hpp"
#include "data/workers.hpp"

namespace msn {
namespace {

/// Crop and flip of one image; no colour operation.
ViewParameters draw(const Augmentation& augmentation, const Image& image, std::uint64_t epoch, std::uint64_t sample) {
  const auto stream = [&](Purpose purpose) {
    return RandomStream(augmentation.seed, epoch, sample, kClassifierView, purpose);
  };
  ViewParameters view;
  RandomStream crop = stream(Purpose::crop);
  view.crop = draw_crop(crop, image.width, image.height, augmentation.scale);
  view.flip = stream(Purpose::flip).chance(augmentation.flip);
  return view;
}

/// The mean of the normalisation as a colour: what operations lay bare.
std::array<std::uint8_t, 3> mean_colour(const ViewsConfig& views) {
  std::array<std::uint8_t, 3> colour{};
  for (std::size_t c = 0; c < 3; ++c)
    colour[c] = static_cast<std::uint8_t>(std::clamp(std::nearbyint(255 * views.mean[c]), 0.0, 255.0));
  return colour;
}

}  // namespace

TrainingViews::TrainingViews(const DataSet& set, const ViewsConfig& views, int size, const Augmentation& augmentation,
                             int threads)
    : set_(set), views_(views), size_(size), augmentation_(augmentation), threads_(threads) {
  MSN_CHECK(size > 0 && threads > 0);
}

at::Tensor TrainingViews::make(std::uint64_t epoch, std::span<const std::uint64_t> samples) const {
  const at::Tensor images = at::empty({static_cast<std::int64_t>(samples.size()), 3, size_, size_}, at::kFloat);
  float* pixels = images.mutable_data_ptr<float>();
  const auto values = static_cast<std::size_t>(3) * static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_);
  const Normaliser normaliser(views_);
  const std::array<std::uint8_t, 3> fill = mean_colour(views_);
  // A thread keeps its memory for all of its views.
  const auto workers = std::min(samples.size(), static_cast<std::size_t>(threads_));
  for_each_parallel(workers, threads_, [&](std::size_t worker) {
    TurnedImage turned;
    ViewMaker maker(views_);
    for (std::size_t i = worker; i < samples.size(); i += workers) {
      const Image image = read_image(set_, samples[i]);
      turned.assign(image);
      Planes view = maker.make(turned, draw(augmentation_, image, epoch, samples[i]), size_);
      RandomStream stream(augmentation_.seed, epoch, samples[i], kClassifierView, Purpose::rand_augment);
      for (const AugmentStep& step : draw_rand_augment(augmentation_.rand_augment, stream))
        apply_augment(step, fill, view);
      normaliser.write_planes(view, std::span(pixels + i * values, values));
    }
  });
  return images;
}

}  // namespace msn
