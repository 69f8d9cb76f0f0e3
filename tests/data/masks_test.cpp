// SPDX-License-Identifier: Apache-2.0
#include "data/masks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace msn {
namespace {

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
  const auto first = batch_mask(0, 0, 0, 196, 0.15);
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 166u);
  EXPECT_LT(*std::max_element(first.begin(), first.end()), 196);
  EXPECT_EQ(first, batch_mask(0, 0, 0, 196, 0.15));
  EXPECT_NE(first, batch_mask(0, 0, 1024, 196, 0.15));
  EXPECT_NE(first, batch_mask(0, 1, 0, 196, 0.15));
}

TEST(Masks, OfImagesDependOnSampleAndView) {
  const auto one = image_mask(0, 2, 8, 1, 64, 0.5);
  EXPECT_EQ(one.size(), 32u);
  EXPECT_EQ(std::set(one.begin(), one.end()).size(), 32u);
  EXPECT_EQ(one, image_mask(0, 2, 8, 1, 64, 0.5));
  EXPECT_NE(one, image_mask(0, 2, 8, 2, 64, 0.5));
  EXPECT_NE(one, image_mask(0, 2, 9, 1, 64, 0.5));
}

class VisiblePatchesTest : public ::testing::Test {
 protected:
  VisiblePatchesTest() {
    views_.random = 2;
    views_.focal = 1;
    views_.random_size = 26;  // Two pixels more than whole patches.
    views_.focal_size = 12;
    views_.mask_ratio = 0.4;
  }
  VisiblePatches make() const { return {views_, 4, 3, 8}; }
  ViewsConfig views_;
};

TEST_F(VisiblePatchesTest, AreAllOfWhatIsNotMasked) {
  const VisiblePatches visible = make();
  EXPECT_EQ(visible.grid(0), 6);
  EXPECT_EQ(visible.grid(3), 3);
  EXPECT_EQ(visible.count(0), 36);
  EXPECT_EQ(visible.count(1), 21);
  EXPECT_EQ(visible.count(2), 21);
  EXPECT_EQ(visible.count(3), 9);
  EXPECT_EQ(visible.patch_values(), 48);
  EXPECT_EQ(visible.of(3, 0, 0, 0), (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(visible.of(0, 1, 2, 3).size(), 36u);
  views_.mask_ratio = 0;
  EXPECT_EQ(make().of(1, 0, 0, 0), make().of(0, 0, 0, 0));
}

TEST_F(VisiblePatchesTest, AreTheSameForAWholeGlobalBatch) {
  const VisiblePatches visible = make();
  EXPECT_EQ(visible.of(1, 5, 16, 100), batch_mask(3, 5, 16, 36, 0.4));
  EXPECT_EQ(visible.of(1, 5, 16, 100), visible.of(2, 5, 23, 7));
  EXPECT_NE(visible.of(1, 5, 16, 100), visible.of(1, 5, 24, 100));
}

TEST_F(VisiblePatchesTest, AreThoseOfTheImageWhereEachHasItsOwn) {
  views_.mask_per = MaskPer::image;
  const VisiblePatches visible = make();
  EXPECT_EQ(visible.of(2, 5, 16, 100), image_mask(3, 5, 100, 2, 36, 0.4));
  EXPECT_EQ(visible.of(2, 5, 16, 100), visible.of(2, 5, 99, 100));
}

}  // namespace
}  // namespace msn
