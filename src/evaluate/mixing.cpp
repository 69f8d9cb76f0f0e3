// SPDX-License-Identifier: Apache-2.0
#include "evaluate/mixing.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace msn {
namespace {

/// Gamma(shape, 1), shape > 0.
double draw_gamma(RandomStream& stream, double shape) {
  if (shape < 1) {
    // Their note for small shapes. 1 - uniform() lies in (0, 1].
    const double root = std::pow(1 - stream.uniform(), 1 / shape);
    return draw_gamma(stream, shape + 1) * root;
  }
  const double d = shape - 1.0 / 3.0, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = stream.normal();
    const double v = std::pow(1 + c * x, 3);
    const double u = 1 - stream.uniform();
    if (v > 0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

Mix draw_box(RandomStream& stream, double own, std::int64_t size) {
  const auto side = static_cast<std::int64_t>(static_cast<double>(size) * std::sqrt(1 - own));
  const auto bound = static_cast<std::uint32_t>(size);
  const auto cut_off = [&](std::int64_t at) { return std::clamp<std::int64_t>(at, 0, size); };
  const auto y = static_cast<std::int64_t>(stream.below(bound)), x = static_cast<std::int64_t>(stream.below(bound));
  Mix mix;
  mix.cut = true;
  mix.top = cut_off(y - side / 2);
  mix.left = cut_off(x - side / 2);
  mix.height = cut_off(y + side / 2) - mix.top;
  mix.width = cut_off(x + side / 2) - mix.left;
  mix.own = 1 - static_cast<double>(mix.height * mix.width) / static_cast<double>(size * size);
  return mix;
}

}  // namespace

double draw_beta(RandomStream& stream, double alpha, double beta) {
  const double x = draw_gamma(stream, alpha);
  const double y = draw_gamma(stream, beta);
  // With very small parameters both may underflow.
  return x + y > 0 ? x / (x + y) : 0.5;
}

Mix draw_mix(const MixOptions& options, std::int64_t size, std::uint64_t seed, std::uint64_t epoch,
             std::uint64_t step) {
  if (options.mixup <= 0 && options.cutmix <= 0) return {};
  RandomStream stream(seed, epoch, step, 0, Purpose::mixing);
  const bool second = stream.chance(0.5);
  const bool cut = options.cutmix > 0 && (second || options.mixup <= 0);
  const double alpha = cut ? options.cutmix : options.mixup;
  const double own = draw_beta(stream, alpha, alpha);
  if (cut) return draw_box(stream, own, size);
  Mix mix;
  mix.own = own;
  return mix;
}

void mix_pairs(const at::Tensor& images, const Mix& mix) {
  MSN_CHECK(images.dim() == 4 && images.size(0) % 2 == 0);
  const std::int64_t half = images.size(0) / 2;
  at::Tensor first = images.narrow(0, 0, half), second = images.narrow(0, half, half);
  if (mix.cut) {
    const auto box = [&](const at::Tensor& part) {
      return part.narrow(2, mix.top, mix.height).narrow(3, mix.left, mix.width);
    };
    const at::Tensor kept = box(first).clone();
    box(first).copy_(box(second));
    box(second).copy_(kept);
  } else if (mix.own != 1) {
    const at::Tensor kept = first.clone();
    first.mul_(mix.own).add_(second, 1 - mix.own);
    second.mul_(mix.own).add_(kept, 1 - mix.own);
  }
}

at::Tensor mixed_targets(std::span<const std::int32_t> labels, int classes, const Mix& mix, double smoothing) {
  MSN_CHECK(labels.size() % 2 == 0);
  const auto rows = static_cast<std::int64_t>(labels.size());
  const at::Tensor targets = at::full({rows, classes}, smoothing / classes, at::kDouble);
  double* out = targets.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t partner = (i + rows / 2) % rows;
    out[i * classes + labels[static_cast<std::size_t>(i)]] += (1 - smoothing) * mix.own;
    out[i * classes + labels[static_cast<std::size_t>(partner)]] += (1 - smoothing) * (1 - mix.own);
  }
  return targets;
}

}  // namespace msn
