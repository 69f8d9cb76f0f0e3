// SPDX-License-Identifier: Apache-2.0
#include "data/synthetic_batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.hpp"

namespace msn {
namespace {

Config small() {
  Config config;
  config.views.random = 1;
  config.views.focal = 2;
  config.views.random_size = 16;
  config.views.focal_size = 8;
  config.views.mask_ratio = 0.5;
  config.model.patch_size = 4;
  config.train.global_batch = 6;
  config.train.seed = 3;
  return config;
}

BatchOptions share(int rank, int world_size, std::uint64_t first_step = 0) {
  return {6, 4, rank, world_size, first_step};
}

TEST(SyntheticBatches, HaveTheShapesAndMasksOfRealOnes) {
  SyntheticBatches batches(small(), 20, share(0, 1, 4));
  const Batch batch = batches.next();  // An epoch has three steps.
  EXPECT_EQ(batch.epoch, 1u);
  EXPECT_EQ(batch.position, 6u);
  EXPECT_EQ(batch.samples, (std::vector<std::uint64_t>{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(batch.target.rows.size(), 6u * 16 * 48);
  EXPECT_EQ(batch.random.rows.size(), 6u * 8 * 48);
  EXPECT_EQ(batch.focal.rows.size(), 2u * 6 * 4 * 48);
  EXPECT_EQ(batch.random.keep, batch_mask(3, 1, 6, 16, 0.5));
  const auto [least, most] = std::minmax_element(batch.target.rows.begin(), batch.target.rows.end());
  EXPECT_GE(*least, -2.0f);
  EXPECT_LT(*most, 2.0f);
  EXPECT_GT(*most - *least, 3.5f);
}

TEST(SyntheticBatches, AreTheSameOnAnyNumberOfRanksAndWithAnyMemory) {
  SyntheticBatches whole(small(), 20, share(0, 1));
  SyntheticBatches half(small(), 20, share(1, 2));
  for (int step = 0; step < 4; ++step) {
    Batch all = whole.next();
    Batch mine = half.next();
    EXPECT_EQ(mine.position, all.position + 3);
    EXPECT_EQ(mine.random.keep, all.random.keep);
    for (int view = 0; view < 4; ++view) {
      for (std::size_t i = 0; i < 3; ++i)
        EXPECT_TRUE(std::ranges::equal(rows_of(mine, view, i), rows_of(all, view, 3 + i)));
    }
    if (step % 2 == 0) whole.recycle(std::move(all));
    half.recycle(std::move(mine));
  }
}

TEST(SyntheticBatches, RefuseBatchesThatDoNotFit) {
  EXPECT_THROW(SyntheticBatches(small(), 5, share(0, 1)), Error);
  EXPECT_THROW(SyntheticBatches(small(), 20, share(0, 4)), Error);
}

}  // namespace
}  // namespace msn
