// SPDX-License-Identifier: Apache-2.0
// For tests that run on several ranks (add_mpi_test). Every rank runs every test; after each test all ranks agree on
// whether it failed. A rank that leaves a test early (ASSERT_*) leaves the others waiting in their next collective,
// until the watchdog ends the job: before a collective use EXPECT_* or MSN_ASSERT_ALL.
#pragma once

#include <gtest/gtest.h>

#include "comm/world.hpp"

namespace msn::test {

/// The ranks of this test program.
World& world();

}  // namespace msn::test

/// Leaves the test on every rank if `condition` is false on any.
#define MSN_ASSERT_ALL(condition)                                                                   \
  do {                                                                                              \
    const bool msn_here = static_cast<bool>(condition);                                             \
    EXPECT_TRUE(msn_here) << #condition;                                                            \
    if (!::msn::test::world().all(msn_here)) GTEST_FAIL() << "not true on every rank: " #condition; \
  } while (false)
