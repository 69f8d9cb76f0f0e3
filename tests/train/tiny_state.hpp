// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "train/state.hpp"

namespace msn::test {

/// A small drawn state after `step` steps.
inline TrainState tiny_state(std::uint64_t step) {
  VitShape shape;
  shape.width = 16;
  shape.depth = 1;
  shape.heads = 2;
  shape.patch = 4;
  shape.grid = 2;
  shape.head_hidden = 8;
  shape.head_out = 4;
  TrainState state(shape, 3, at::kFloat);
  state.initialise(1);
  state.step = step;
  return state;
}

}  // namespace msn::test
