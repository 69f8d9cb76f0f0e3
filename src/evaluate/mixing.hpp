// SPDX-License-Identifier: Apache-2.0
// Images and labels mixed in pairs: mixup (Zhang et al., arXiv 1710.09412) and cutmix (Yun et al., arXiv 1905.04899).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "base/random.hpp"

namespace msn {

struct MixOptions {
  double mixup = 0.8;   ///< alpha of Beta(alpha, alpha), of which an image's own share is drawn; 0: no mixup.
  double cutmix = 1.0;  ///< The same of cutmix. With both each step has one of them, by even chance.
};

/// How the images of one step are mixed with their partners.
struct Mix {
  double own = 1;  ///< An image's own share, of pixels and of the label.
  bool cut = false;
  std::int64_t top = 0, left = 0, height = 0, width = 0;  ///< With `cut`: the box that is the partner's.
};

/// A pure function of (seed, epoch, step). For size x size images. The box of cutmix has the partner's drawn share of
/// the area about a uniform centre; what lies outside the image is cut off, and `own` is what is left in truth.
Mix draw_mix(const MixOptions& options, std::int64_t size, std::uint64_t seed, std::uint64_t epoch, std::uint64_t step);

/// Beta(alpha, beta) as X / (X + Y) of two gamma variates (Marsaglia and Tsang, ACM Trans. Math. Softw. 26, 2000).
double draw_beta(RandomStream& stream, double alpha, double beta);

/// Mixes images [2 n, 3, size, size] in place: image i < n with image n + i and the other way round.
void mix_pairs(const at::Tensor& images, const Mix& mix);

/// What the images of mix_pairs() are to be classified as: float64 [2 n, classes], rows of sum 1. `smoothing` of each
/// label is spread evenly over all classes (Szegedy et al., arXiv 1512.00567).
at::Tensor mixed_targets(std::span<const std::int32_t> labels, int classes, const Mix& mix, double smoothing);

}  // namespace msn
