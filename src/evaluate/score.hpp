// SPDX-License-Identifier: Apache-2.0
// How good the predictions of a classifier are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/world.hpp"

namespace msn {

/// What a classifier says of labelled images, image by image.
struct Predictions {
  std::vector<std::int32_t> classes;  ///< The class with the highest score; of equal ones the smaller.
  std::vector<std::int32_t> places;   ///< How many classes come before the image's own in that order: 0 is right.

  std::size_t count() const { return classes.size(); }
  void append(const Predictions& more);
};

/// From scores [images, classes], float32 or float64 (votes, logits), the higher the likelier, and labels in [0,
/// classes). A score that is not a number counts as lower than all others.
Predictions judge(const at::Tensor& scores, std::span<const std::int32_t> labels);

/// Every rank's predictions, in rank order, on every rank. All ranks call.
Predictions gather_predictions(const World& world, const Predictions& mine);

/// Share of the images whose own class is among the `first` that are likeliest. Of no images 0.
double accuracy(const Predictions& predictions, std::int32_t first = 1);

/// [own class * classes + predicted class]: numbers of images.
std::vector<std::uint64_t> confusion_matrix(const Predictions& predictions, std::span<const std::int32_t> labels,
                                            std::size_t classes);

/// Mean, and deviation with n - 1 below (0 of a single value).
struct MeanAndDeviation {
  double mean = 0;
  double deviation = 0;
};
MeanAndDeviation mean_and_deviation(std::span<const double> values);

}  // namespace msn
