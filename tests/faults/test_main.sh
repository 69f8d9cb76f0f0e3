#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Commands are put together as words without spaces.
# shellcheck disable=SC2046
# The test main of several ranks notices failures of any rank: test_main.sh PROGRAM MPIRUN...   (MPIRUN: for 3 ranks)
program=$1
shift
mpirun=("$@")
. "$(dirname "$0")/common.sh"

run() { echo "${mpirun[@]}" "$program" --ranks=3 --watchdog=4 "--marker=$marker" "--gtest_filter=Failing.$1"; }

expect "failure on the last rank" 1 'Failing.OnTheLastRankOnly failed on ranks 2 of 3' $(run OnTheLastRankOnly)
expect_lines 1 '^\[rank 2\].*failing_mpi_test.cpp'
expect "a rank leaves a test early" 124 'watchdog: Failing.LeavesTheOthersWaiting took more than 4 s on rank' \
  $(run LeavesTheOthersWaiting)
expect "all leave a test together" 1 'not true on every rank' $(run AllLeaveTogether)
expect_lines 0 'not reached'
finish
