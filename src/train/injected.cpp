// SPDX-License-Identifier: Apache-2.0
#include "train/injected.hpp"

#include <ATen/core/Tensor.h>

#include <limits>

#include "base/inject.hpp"

namespace msn {

namespace {

void flip_bit(const at::Tensor& tensor) {
  constexpr int low_bit = 3;  // Of a little-endian number's first byte.
  tensor.flatten().narrow(0, tensor.numel() / 2, 1).view(at::kByte).narrow(0, 0, 1).bitwise_xor_(1 << low_bit);
}

constexpr const char* kTensor = "blocks.0.attn.qkv.weight";

}  // namespace

void inject_into_gradient(TrainState& state, std::uint64_t step, int rank) {
  if (!inject("gradient", step, rank)) return;
  state.online.gradient(kTensor).flatten()[0].fill_(std::numeric_limits<double>::infinity());
}

void inject_into_loss(LossResult& loss, std::uint64_t step, int rank) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const bool all = inject("loss", step, rank);
  if (all || inject("loss-value", step, rank)) {
    loss.parts.loss = nan;
    loss.values[0].fill_(nan);
  }
  if (!all) return;
  loss.dz.fill_(nan);
  loss.dprototypes.fill_(nan);
}

void inject_into_state(TrainState& state, int rank) {
  const auto flip = [&](const char* what, const at::Tensor& tensor) {
    if (inject(what, state.step, rank)) flip_bit(tensor);
  };
  const Segment& segment = state.online.segment(kTensor);
  flip("flip-weights", state.online.value(kTensor));
  flip("flip-ema", state.target.value(kTensor));
  flip("flip-prototypes", state.online.value("prototypes"));
  flip("flip-exp-avg", Parameters::view(state.exp_avg, segment));
  flip("flip-exp-avg-sq", Parameters::view(state.exp_avg_sq, segment));
  flip("flip-buffers", state.target_buffers.bn1.running_var);
}

}  // namespace msn
