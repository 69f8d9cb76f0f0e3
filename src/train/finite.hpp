// SPDX-License-Identifier: Apache-2.0
// Whether a step's numbers are finite, and what it takes to undo one whose numbers are not.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/parameters.hpp"
#include "objective/msn_loss.hpp"
#include "train/state.hpp"

namespace msn {

bool is_finite(const LossParts& parts);

/// Whether all of `values` are finite, bool [] where they are: the host does not wait for it.
at::Tensor all_finite(const at::Tensor& values);
/// 1 if any of `values` is not finite, else 0, float64 [] likewise: of LossResult::values, for GradientBuckets.
at::Tensor not_finite_flag(const at::Tensor& values);

/// A tensor with values that are not finite, and how many.
struct NotFinite {
  std::string name;
  std::uint64_t count = 0;

  bool operator==(const NotFinite&) const = default;
};

/// The tensors of `flat`, a buffer in the layout of `parameters`, that hold such values, in the buffer's order.
std::vector<NotFinite> tensors_not_finite(const Parameters& parameters, const at::Tensor& flat);

/// What a forward pass moves: the running statistics of both networks, as they are now. `state` must outlive it.
class BufferSnapshot {
 public:
  explicit BufferSnapshot(TrainState& state);

  /// Puts the statistics back, bit for bit and in the same memory.
  void restore() const;

  /// The same but for the counts of batches, which the host knows, where `alive`, one number on the state's device, is
  /// 0. The host does not wait for it, and a captured graph may hold both the snapshot and this.
  void restore_unless(const at::Tensor& alive) const;

 private:
  /// Buffers and their values.
  std::vector<std::pair<BatchNormBuffers*, BatchNormBuffers>> saved_;
};

}  // namespace msn
