// SPDX-License-Identifier: Apache-2.0
// Everything that training changes: what a checkpoint holds and every rank holds alike.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.hpp"
#include "config/config.hpp"
#include "model/parameters.hpp"
#include "model/vit.hpp"

namespace msn {

VitShape vit_shape(const ModelConfig& model);

struct TrainState {
  /// The target network starts as a copy of the online one once initialise() has run.
  TrainState(const VitShape& shape, std::int64_t prototypes, at::ScalarType type, at::Device device = at::kCPU,
             Parameters::Gradients gradients = Parameters::Gradients::with);

  void initialise(std::uint64_t seed);

  VitShape shape;
  Parameters online;   ///< The encoder's tensors, then "prototypes" [K, head_out].
  Parameters target;   ///< The encoder's tensors at the same offsets.
  at::Tensor exp_avg;  ///< Adam's moments, in the layout of `online`.
  at::Tensor exp_avg_sq;
  HeadBuffers online_buffers;
  HeadBuffers target_buffers;
  std::uint64_t step = 0;              ///< Completed steps.
  std::uint64_t skipped = 0;           ///< Of these, without an update, because their numbers were not finite.
  std::uint64_t skipped_in_a_row = 0;  ///< Of the skipped, the last ones.

  /// The encoder's part of the online buffer: [0, encoder_end()).
  std::int64_t encoder_end() const { return online.segment("prototypes").offset; }
};

/// The state's tensors with their bytes in place, named "online.NAME", "target.NAME", "adam.exp_avg.NAME",
/// "adam.exp_avg_sq.NAME", in a fixed order; the views stay valid as long as `state`.
std::vector<StateTensor> state_tensors(TrainState& state);

/// Bytes of each of state_tensors(), of a state that need not be there.
std::vector<std::uint64_t> state_tensor_sizes(const VitShape& shape, std::int64_t prototypes, at::ScalarType type);

/// The target network alone, as evaluation reads it: "target.NAME".
std::vector<StateTensor> target_tensors(Parameters& target);

/// The elements of a contiguous host tensor.
template <class T>
std::span<T> span_of(const at::Tensor& tensor) {
  return {tensor.mutable_data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace msn
