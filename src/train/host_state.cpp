// SPDX-License-Identifier: Apache-2.0
#include "train/host_state.hpp"

namespace msn {
namespace {

void copy(const BatchNormBuffers& from, BatchNormBuffers& to) {
  to.running_mean.copy_(from.running_mean);
  to.running_var.copy_(from.running_var);
  to.batches = from.batches;
}

void copy(const TrainState& from, TrainState& to) {
  to.online.values().copy_(from.online.values());
  to.target.values().copy_(from.target.values());
  to.exp_avg.copy_(from.exp_avg);
  to.exp_avg_sq.copy_(from.exp_avg_sq);
  copy(from.online_buffers.bn1, to.online_buffers.bn1);
  copy(from.online_buffers.bn2, to.online_buffers.bn2);
  copy(from.target_buffers.bn1, to.target_buffers.bn1);
  copy(from.target_buffers.bn2, to.target_buffers.bn2);
  to.step = from.step;
  to.skipped = from.skipped;
  to.skipped_in_a_row = from.skipped_in_a_row;
}

}  // namespace

HostState::HostState(TrainState& state) : state_(state) {
  if (state.online.device().is_cpu()) return;
  copy_.emplace(state.shape, state.online.segment("prototypes").shape[0], state.online.type(), at::kCPU,
                Parameters::Gradients::none);
}

void HostState::download() {
  if (copy_) copy(state_, *copy_);
}

void HostState::upload() {
  if (copy_) copy(*copy_, state_);
}

}  // namespace msn
