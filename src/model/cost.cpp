// SPDX-License-Identifier: Apache-2.0
#include "model/cost.hpp"

namespace msn {

ViewFlops view_flops(const VitShape& shape, std::int64_t prototypes, std::int64_t tokens, LastBlock last) {
  const auto d = static_cast<double>(shape.width);
  const auto t = static_cast<double>(tokens);
  const auto hidden = static_cast<double>(shape.head_hidden);
  const auto out = static_cast<double>(shape.head_out);
  const double block = 24 * t * d * d + 4 * t * t * d;
  const double last_block = last == LastBlock::all_tokens ? block : 4 * t * d * d + 20 * d * d + 4 * t * d;
  const double head = 2 * (d * hidden + hidden * hidden + hidden * out);
  ViewFlops flops;
  flops.patch_embedding = 2 * (t - 1) * static_cast<double>(shape.patch_values()) * d;
  flops.rest =
      static_cast<double>(shape.depth - 1) * block + last_block + head + 2 * out * static_cast<double>(prototypes);
  return flops;
}

}  // namespace msn
