// SPDX-License-Identifier: Apache-2.0
// The state's bytes for those that read or write them on the host: checkpoints, comparisons of replicas, first weights.
#pragma once

#include <optional>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "train/state.hpp"

namespace msn {

/// A state in host memory is itself; of one on a device this holds a copy in host memory, without gradients.
class HostState {
 public:
  /// `state` must outlive it. The copy holds nothing before the first download().
  explicit HostState(TrainState& state);

  /// What the host has: the state itself, or the copy.
  TrainState& get() { return copy_ ? *copy_ : state_; }
  std::vector<StateTensor> tensors() { return state_tensors(get()); }

  /// The device's state, and how many steps it has completed, comes into the copy; waits for the device.
  void download();
  /// The copy goes to the device; waits for the device.
  void upload();

 private:
  TrainState& state_;
  std::optional<TrainState> copy_;
};

}  // namespace msn
