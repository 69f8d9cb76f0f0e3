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

double tape_bytes(const VitShape& shape, std::int64_t tokens, double value, double statistic, Recompute recompute) {
  const auto d = static_cast<double>(shape.width);
  const auto t = static_cast<double>(tokens);
  const auto heads = static_cast<double>(shape.heads);
  const bool keeps = recompute == Recompute::nothing;
  // Two norms' sums 2, queries, keys and values 3, attention's output 1, hidden values 4; outputs of norms 2 and of the
  // GELU 4; two norms' means and deviations 4.
  const double block = t * ((keeps ? 16 : 10) * d * value + (4 + heads) * statistic);
  // Keys, values and the first norm's sum of all tokens; of the class token all else, and what the final norm keeps.
  const double last_block = t * ((keeps ? 4 : 3) * d * value + 2 * statistic) + ((keeps ? 12 : 7) * d) * value +
                            (2 + heads) * statistic + (d + 2) * statistic;
  const double patches = (t - 1) * static_cast<double>(shape.patch_values()) * value;
  return static_cast<double>(shape.depth - 1) * block + last_block + patches;
}

}  // namespace msn
