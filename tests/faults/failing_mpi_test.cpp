// SPDX-License-Identifier: Apache-2.0
// Tests that fail on purpose, to see that the test main of several ranks says so (tests/faults/test_main.sh).
#include "support/mpi.hpp"

namespace msn {
namespace {

TEST(Failing, OnTheLastRankOnly) {
  EXPECT_NE(test::world().rank(), test::world().size() - 1) << "the detail of the last rank";
}

TEST(Failing, LeavesTheOthersWaiting) {
  if (test::world().rank() == 0) return;
  MPI_Barrier(test::world().comm());
}

TEST(Failing, AllLeaveTogether) {
  MSN_ASSERT_ALL(test::world().rank() == 0);
  ADD_FAILURE() << "not reached";
}

}  // namespace
}  // namespace msn
