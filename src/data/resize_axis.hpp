// SPDX-License-Identifier: Apache-2.0
// One axis of a resize: which inputs an output is the sum of, and with which weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// Computes weights in double, as Pillow does, and rounds them to kernels::resize_bits fractional bits. Used again and
/// again in the same memory.
class ResizeAxis {
 public:
  /// From `in` pixels to `out`, both > 0.
  void assign(int in, int out, Interpolation interpolation);

  /// No output has more taps; even.
  std::size_t most_taps() const { return most_taps_; }

  struct Range {
    int first = 0;  ///< The first input.
    int count = 0;
  };
  /// The weights of output `output` go to the front of `weights`, which has most_taps() elements.
  Range weigh(int output, std::span<std::int32_t> weights);

 private:
  int in_ = 0;
  bool cubic_ = false;
  double scale_ = 1;
  double support_ = 1;
  double inverse_ = 1;
  std::size_t most_taps_ = 0;
  std::vector<double> exact_;  ///< Weights of one output, before they are divided by their sum.
};

}  // namespace msn
