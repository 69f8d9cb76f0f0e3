// SPDX-License-Identifier: Apache-2.0
// A network small enough for the tests of classifiers.
#pragma once

#include "model/initialise.hpp"
#include "model/parameters.hpp"
#include "model/vit.hpp"

namespace msn {

inline VitShape tiny() {
  VitShape shape;
  shape.width = 16;
  shape.depth = 2;
  shape.heads = 2;
  shape.patch = 4;
  shape.grid = 4;
  shape.head_hidden = 8;
  shape.head_out = 4;
  return shape;
}

inline Parameters network(const VitShape& shape) {
  Parameters parameters(encoder_tensors(shape), at::kDouble, Parameters::Gradients::none);
  initialise(parameters, 3);
  return parameters;
}

}  // namespace msn
