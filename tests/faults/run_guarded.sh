#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Commands are put together as words without spaces.
# shellcheck disable=SC2046
# How a command ends when one rank fails: run_guarded.sh PROGRAM MPIRUN...   (MPIRUN: the command up to the program, 3 ranks)
program=$1
shift
mpirun=("$@")
. "$(dirname "$0")/common.sh"

fail() { echo "${mpirun[@]}" "$program" fail --marker "$marker" "$@"; }

expect "good" 0 "" $(fail --how nothing)
expect_lines 0 "msn:"

expect "agreed error of rank 1" 74 '^msn: error: cannot read \(a.h5, rank 1 of 3, host .*\): look at it$' \
  $(fail --rank 1 --how agreed)
expect_lines 1 "^msn: "
expect_lines 0 "MPI_ABORT"

expect "stopped with a checkpoint" 75 '^msn: stopped: a checkpoint of step 3 is durable: run it again$' \
  $(fail --how stopped)
expect_lines 1 "^msn: "

expect "error on rank 1, others wait" 74 '^msn: error on rank 1 of 3 \(host .*\): cannot read \(a.h5\): look at it$' \
  $(fail --rank 1 --how error)
expect_lines 1 "^msn: "
expect "error on rank 0, others wait" 74 '^msn: error on rank 0 of 3 ' $(fail --rank 0 --how error)
expect "foreign exception" 70 '^msn: error on rank 2 of 3 .*an index is out of range' $(fail --rank 2 --how exception)
expect "unknown exception" 70 '^msn: error on rank 2 of 3 .*unknown type' $(fail --rank 2 --how unknown)
expect "exception in a thread" 70 '^msn: error on rank 1 of 3 .*a thread failed' $(fail --rank 1 --how thread)
expect "segmentation fault" 139 '^msn: error on rank 1 of 3 \(host .*\): segmentation fault in data of step 1: ' $(fail --rank 1 --how segfault)
expect_lines 1 "^msn: "
expect "hang" 124 \
  '^msn: error: rank 2 of 3 \(host .*\) has not come to control collective [0-9]+ \(barrier "barrier"\) of step 1: in data of step 1 for' \
  $(fail --rank 2 --how hang --watchdog 1)
expect_lines 1 "^msn: "
expect "debugger" 0 'held by a debugger, .*; a debugger is attached: nobody is ended$|ptrace is not permitted here' \
  $(fail --rank 2 --how traced --watchdog 1)
expect_lines 0 "^msn: "
expect "SIGKILL" 137 "" $(fail --rank 1 --how kill)
expect "exit without MPI_Finalize" 1 "" $(fail --rank 1 --how exit)

export MSN_TEST_INJECT=before-barrier:2:defect
expect "injected defect" 70 '^msn: error on rank 2 of 3 .*a defect was injected at before-barrier' $(fail --how nothing)
export MSN_TEST_INJECT=before-barrier:2:kill
expect "injected SIGKILL" 137 "" $(fail --how nothing)
export MSN_TEST_INJECT=nonsense
expect "malformed injection" 2 'MSN_TEST_INJECT' $(fail --how nothing)
unset MSN_TEST_INJECT

expect "unknown flag" 2 '^msn: error: .*--nonsense.* \(command line\): see msn fail --help$' $(fail --how nothing --nonsense 1)
expect_lines 1 "^msn: "
expect "no command" 2 '^msn: error: .*\(command line\): see msn --help$' "${mpirun[@]}" "$program"
expect "help" 0 'fail +Fails' "${mpirun[@]}" "$program" --help
expect_lines 1 'fail +Fails'
expect "version" 0 '^test$' "${mpirun[@]}" "$program" --version
expect_lines 1 '^test$'

expect "without a launcher" 74 '^msn: error: cannot read \(a.h5\): look at it$' \
  "$program" fail --marker "$marker" --how error
expect "ranks that are each alone" 2 '^msn: error: Flux started 4 ranks, but MPI sees one' \
  env FLUX_TASK_RANK=0 FLUX_JOB_SIZE=4 "$program" fail --marker "$marker" --how nothing
expect_lines 1 "^msn: "
expect "ranks that are each alone, not the first" 2 '' \
  env FLUX_TASK_RANK=2 FLUX_JOB_SIZE=4 "$program" fail --marker "$marker" --how nothing
expect_lines 0 "^msn: "
finish
