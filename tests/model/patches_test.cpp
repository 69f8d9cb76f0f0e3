// SPDX-License-Identifier: Apache-2.0
#include "model/patches.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

namespace msn {
namespace {

TEST(PatchRows, GoChannelRowColumnAndLeaveTheRestOut) {
  // Two images of 5 x 5 pixels, patches of 2: the last row and column are unused.
  const at::Tensor images = at::arange(150, at::kDouble).reshape({2, 3, 5, 5});
  const at::Tensor rows = patch_rows(images, 2);
  ASSERT_EQ(rows.sizes(), (std::vector<std::int64_t>{2, 4, 12}));
  for (std::int64_t image = 0; image < 2; ++image) {
    for (std::int64_t patch = 0; patch < 4; ++patch) {
      for (std::int64_t i = 0; i < 12; ++i) {
        const std::int64_t channel = i / 4, y = patch / 2 * 2 + i % 4 / 2, x = patch % 2 * 2 + i % 2;
        EXPECT_EQ(rows[image][patch][i].item<double>(), images[image][channel][y][x].item<double>());
      }
    }
  }
}

}  // namespace
}  // namespace msn
