// SPDX-License-Identifier: Apache-2.0
// Augmented images, for classifiers that are trained on images.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>

#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/rand_augment.hpp"

namespace msn {

struct Augmentation {
  std::array<double, 2> scale{0.08, 1.0};     ///< Of a random resized crop, whose box is drawn as in pretraining.
  double flip = 0.5;                          ///< Probability of a horizontal flip.
  RandAugment rand_augment{.operations = 0};  ///< After crop and flip.
  std::uint64_t seed = 0;
};

/// Views of classifiers' training in RandomStream and drop_path_factors(): apart from those of pretraining.
inline constexpr std::uint32_t kClassifierView = 1u << 20;

/// Random views of a data set's images, normalised as in pretraining. What a view is is a pure function of (seed,
/// epoch, sample), whoever makes it.
class TrainingViews {
 public:
  /// `set` must outlive it. Views of size x size pixels, resized and normalised as `views` says, made by `threads`
  /// threads.
  TrainingViews(const DataSet& set, const ViewsConfig& views, int size, const Augmentation& augmentation, int threads);

  /// float32 [samples.size(), 3, size, size]. Throws data_error, naming the image, if one cannot be read.
  at::Tensor make(std::uint64_t epoch, std::span<const std::uint64_t> samples) const;

 private:
  const DataSet& set_;
  ViewsConfig views_;
  int size_;
  Augmentation augmentation_;
  int threads_;
};

}  // namespace msn
