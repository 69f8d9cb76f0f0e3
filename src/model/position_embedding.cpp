// SPDX-License-Identifier: Apache-2.0
#include "model/position_embedding.hpp"

#include <ATen/ops/kron.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace msn {
namespace {

constexpr double kA = -0.75;

/// Keys' cubic convolution kernel (IEEE Trans. ASSP 29(6), 1981) at distance t >= 0.
double cubic(double t) {
  if (t <= 1) return ((kA + 2) * t - (kA + 3)) * t * t + 1;
  if (t < 2) return ((kA * t - 5 * kA) * t + 8 * kA) * t - 4 * kA;
  return 0;
}

/// The one-dimensional matrix [to, from].
at::Tensor resampling_1d(std::int64_t from, std::int64_t to) {
  const at::Tensor matrix = at::zeros({to, from}, at::kDouble);
  auto values = matrix.accessor<double, 2>();
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
    const double base = std::floor(centre);
    for (int tap = -1; tap <= 2; ++tap) {
      const auto source = std::clamp<std::int64_t>(static_cast<std::int64_t>(base) + tap, 0, from - 1);
      values[i][source] += cubic(std::abs(centre - (base + tap)));
    }
  }
  return matrix;
}

}  // namespace

at::Tensor position_resampling(std::int64_t from, std::int64_t to) {
  const at::Tensor axis = resampling_1d(from, to);
  return at::kron(axis, axis);
}

}  // namespace msn
