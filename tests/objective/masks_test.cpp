// SPDX-License-Identifier: Apache-2.0
#include "objective/masks.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

namespace msn {
namespace {

std::vector<std::int64_t> values(const at::Tensor& tensor) {
  const auto flat = tensor.contiguous();
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

// The published models (grid², ratio, kept).
TEST(Masks, KeepAsManyPatchesAsThePaper) {
  EXPECT_EQ(kept_patches(196, 0.15), 166);
  EXPECT_EQ(kept_patches(196, 0.30), 137);
  EXPECT_EQ(kept_patches(784, 0.30), 548);
  EXPECT_EQ(kept_patches(3136, 0.70), 940);
  EXPECT_EQ(kept_patches(1024, 0.70), 307);
  EXPECT_EQ(kept_patches(64, 0.30), 44);
}

TEST(Masks, OfABatchAreDistinctPatchesAndChangeWithTheStep) {
  const auto first = values(batch_mask(0, 0, 0, 196, 0.15));
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 166u);
  EXPECT_LT(*std::max_element(first.begin(), first.end()), 196);
  EXPECT_EQ(first, values(batch_mask(0, 0, 0, 196, 0.15)));
  EXPECT_NE(first, values(batch_mask(0, 0, 1024, 196, 0.15)));
  EXPECT_NE(first, values(batch_mask(0, 1, 0, 196, 0.15)));
  EXPECT_FALSE(batch_mask(0, 0, 0, 196, 0).defined());
}

TEST(Masks, OfImagesDependOnSampleAndViewOnly) {
  const std::array<std::uint64_t, 3> three{7, 8, 9};
  const std::array<std::uint64_t, 1> one{8};
  const at::Tensor all = image_masks(0, 2, three, 2, 64, 0.5);
  EXPECT_EQ(all.sizes(), (std::vector<std::int64_t>{6, 32}));
  const at::Tensor alone = image_masks(0, 2, one, 2, 64, 0.5);
  EXPECT_EQ(values(all[1]), values(alone[0]));
  EXPECT_EQ(values(all[4]), values(alone[1]));
  EXPECT_NE(values(all[1]), values(all[4]));
}

}  // namespace
}  // namespace msn
