// SPDX-License-Identifier: Apache-2.0
#include "report/last_block.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/quantile.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "model/patches.hpp"

namespace msn {

LastBlock look_at_last_block(const Trunk& trunk, const Parameters& parameters, const VitShape& shape,
                             const at::Tensor& images) {
  const at::NoGradGuard no_autograd;
  ViewGroup group;
  group.patches = patch_rows(images.to(parameters.type()), shape.patch);
  group.grid = images.size(2) / shape.patch;
  Tape tape;
  trunk.forward({group}, &tape);
  const std::string block = "blocks." + std::to_string(shape.depth - 1) + ".";
  const std::int64_t heads = shape.heads, head_width = shape.width / shape.heads;

  LastBlock seen;
  seen.tokens = tape.blocks.back().norm1.sum.view({group.images(), group.tokens(), shape.width});
  seen.normed = at::layer_norm(seen.tokens, {shape.width}, parameters.value(block + "norm1.weight"),
                               parameters.value(block + "norm1.bias"), kLayerNormEps);
  const at::Tensor qkv =
      at::linear(seen.normed, parameters.value(block + "attn.qkv.weight"), parameters.value(block + "attn.qkv.bias"));
  const auto by_head = [&](const at::Tensor& rows) {  // [images, heads, rows, head width]
    return rows.reshape({rows.size(0), rows.size(1), heads, head_width}).transpose(1, 2);
  };
  const at::Tensor query = by_head(qkv.narrow(1, 0, 1).narrow(2, 0, shape.width));
  const at::Tensor keys = by_head(qkv.narrow(2, shape.width, shape.width));
  const at::Tensor scores = at::matmul(query, keys.transpose(2, 3)) / std::sqrt(static_cast<double>(head_width));
  seen.attention = scores.softmax(-1).squeeze(2);
  return seen;
}

at::Tensor principal_colours(const at::Tensor& rows) {
  MSN_CHECK(rows.dim() == 2 && rows.size(0) >= 3 && rows.size(1) >= 3);
  const at::NoGradGuard no_autograd;
  const at::Tensor centred = rows.to(at::kDouble) - rows.to(at::kDouble).mean(0, true);
  const at::Tensor covariance = at::matmul(centred.t(), centred) / static_cast<double>(rows.size(0));
  const auto [variances, directions] = at::linalg_eigh(covariance);  // Rising.
  at::Tensor colours = at::ones({rows.size(0), 3}, at::kDouble) * 0.5;
  const double most = variances[-1].item<double>();
  for (std::int64_t i = 0; i < 3; ++i) {
    if (!(variances[-1 - i].item<double>() > 1e-12 * std::max(most, 1e-300))) continue;
    at::Tensor direction = directions.select(1, directions.size(1) - 1 - i);
    if (direction[direction.abs().argmax()].item<double>() < 0) direction = -direction;
    const at::Tensor values = at::matmul(centred, direction);
    const double low = at::quantile(values, 0.01).item<double>();
    const double high = at::quantile(values, 0.99).item<double>();
    if (high > low) colours.select(1, i).copy_(((values - low) / (high - low)).clamp(0, 1));
  }
  return colours;
}

}  // namespace msn
