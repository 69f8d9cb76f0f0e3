// SPDX-License-Identifier: Apache-2.0
// Whether a step's numbers are finite, and what it takes to undo one whose numbers are not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/parameters.hpp"
#include "objective/msn_loss.hpp"
#include "train/state.hpp"

namespace msn {

/// A member of LossParts under the name that metrics.jsonl gives it.
struct NamedPart {
  std::string_view name;
  double LossParts::*value;
};

/// All parts, the loss first.
std::span<const NamedPart> loss_parts();

bool is_finite(const LossParts& parts);

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

 private:
  /// Buffers and their values.
  std::vector<std::pair<BatchNormBuffers*, BatchNormBuffers>> saved_;
};

}  // namespace msn
