// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace msn::test {

/// The class with the greatest score for each row [n, classes]; of equal ones the smaller.
inline std::vector<std::int32_t> predicted(const at::Tensor& scores) {
  const at::Tensor values = scores.to(at::kDouble);
  std::vector<std::int32_t> classes;
  for (std::int64_t row = 0; row < values.size(0); ++row) {
    std::int32_t best = 0;
    for (std::int32_t c = 1; c < values.size(1); ++c) {
      if (values[row][c].item<double>() > values[row][best].item<double>()) best = c;
    }
    classes.push_back(best);
  }
  return classes;
}

}  // namespace msn::test
