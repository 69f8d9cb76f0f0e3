// SPDX-License-Identifier: Apache-2.0
// What msn --self-test gpu computes, in host memory.
#include "train/gpu_trial.hpp"

#include "support/mpi.hpp"

namespace msn {
namespace {

using test::world;

TEST(GpuTrial, FindsThisMachineRight) {
  Placement placement(world(), std::nullopt);
  GpuTrialTimes times;
  EXPECT_NO_THROW(times = try_gpu(world(), placement));
  EXPECT_GT(times.first_product, 0);
  EXPECT_GT(times.product, 0);
  EXPECT_EQ(times.sum > 0, world().size() > 1);
  placement.shutdown();
}

}  // namespace
}  // namespace msn
