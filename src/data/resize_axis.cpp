// SPDX-License-Identifier: Apache-2.0
#include "data/resize_axis.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/pixel_functions.hpp"

namespace msn {

namespace {

double bilinear(double t) {
  t = std::abs(t);
  return t < 1.0 ? 1.0 - t : 0.0;
}

/// Keys' cubic with a = -0.5.
double bicubic(double t) {
  constexpr double a = -0.5;
  t = std::abs(t);
  if (t < 1.0) return ((a + 2.0) * t - (a + 3.0)) * t * t + 1;
  if (t < 2.0) return (((t - 5) * t + 8) * t - 4) * a;
  return 0.0;
}

}  // namespace

void ResizeAxis::assign(int in, int out, Interpolation interpolation) {
  in_ = in;
  cubic_ = interpolation == Interpolation::bicubic;
  scale_ = static_cast<double>(in) / out;
  const double stretch = std::max(scale_, 1.0);
  support_ = (cubic_ ? 2.0 : 1.0) * stretch;
  inverse_ = 1.0 / stretch;
  most_taps_ = 2 * (static_cast<std::size_t>(std::ceil(support_)) + 1);
  exact_.resize(most_taps_);
}

ResizeAxis::Range ResizeAxis::weigh(int output, std::span<std::int32_t> weights) {
  const double centre = (static_cast<double>(output) + 0.5) * scale_;
  const int first = std::max(0, static_cast<int>(centre - support_ + 0.5));
  const int end = std::min(in_, static_cast<int>(centre + support_ + 0.5));
  const auto count = static_cast<std::size_t>(end - first);
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double t = (static_cast<double>(i) + first - centre + 0.5) * inverse_;
    exact_[i] = cubic_ ? bicubic(t) : bilinear(t);
    sum += exact_[i];
  }
  for (std::size_t i = 0; i < count; ++i) {
    const double fixed = (sum != 0.0 ? exact_[i] / sum : exact_[i]) * (1 << kernels::resize_bits);
    weights[i] = static_cast<std::int32_t>(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
  }
  return {first, end - first};
}

}  // namespace msn
