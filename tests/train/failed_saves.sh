#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A save that fails on any rank, for whatever reason, leaves the earlier checkpoints as they were; training goes on, or
# ends by checkpoint.max_failed_in_a_row; saving works again when the disk does: failed_saves.sh MSN SOURCE MPIRUN...
# FAILING_CALLS is the library of tests/support/failing_calls.cpp.
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=30  # Of one command on a busy machine.
use_ranks 2
pack_tiny
runs=$work/$marker  # In the command lines, so that a process that is left is found.
mkdir "$runs"
EIO=5 ENOSPC=28 EROFS=30 ALWAYS=1000000

# train NAME CODE PATTERN FAULTS RUN ARGUMENTS...
train() {
  local name=$1 code=$2 pattern=$3 faults=$4 run=$runs/$5
  shift 5
  expect "$name" "$code" "$pattern" env LD_PRELOAD="${faults:+$FAILING_CALLS}" MSN_TEST_FAIL="$faults" \
    "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$run" --set checkpoint.writers=2 "$@"
}

# names RUN EXPECTED...: the entries of the checkpoints folder.
names() {
  local got
  got=$(find "$runs/$1/checkpoints" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | xargs)
  shift
  [ "$got" = "$*" ] || complain "checkpoints holds '$got', expected '$*'"
}

# same_end RUN: its last checkpoint is that of the run without faults and without checkpoints on the way.
same_end() {
  local file
  case_name="the end of $1"
  for file in state-00000-of-00002.h5 state-00001-of-00002.h5; do
    cmp "$runs/straight/checkpoints/step-00000024/$file" "$runs/$1/checkpoints/step-00000024/$file" || complain "other bytes"
  done
}

train "one save, at the end" 0 'done after step 24' '' straight --set checkpoint.every_steps=0
train "a save at every step" 0 'done after step 24' '' often --set checkpoint.every_steps=1
same_end often
case_name="metrics of a run with saves"
[ "$(grep -c '"checkpoint_seconds":' "$runs/often/metrics.jsonl")" -eq 24 ] || complain "not one save a step"
[ "$(grep -c '"checkpoint":{"step":[0-9]*,"durable":true,"seconds":[0-9.e-]*,"bytes":[0-9]*}' "$runs/often/metrics.jsonl")" -eq 23 ] ||
  complain "not one end of a save a step but the last"

# The first save fails in various ways, on either rank: step 10 is missing, step 20 is not.
fails_once() { # NAME FAULTS PATTERN
  train "$1" 0 "step-00000010 is not saved: $3.*; earlier checkpoints are as they were, training goes on" "$2" "$1"
  expect_lines 1 'is not saved'
  names "$1" latest step-00000020 step-00000024
  same_end "$1"
}
fails_once write-1 "pwrite state-00001 1 2 1 $EIO" 'cannot write: Input/output error .*state-00001-of-00002\.h5, rank 1 of 2, host '
fails_once write-0 "pwrite state-00000 0 1 1 $ENOSPC" 'cannot write: No space left on device .*state-00000-of-00002\.h5, rank 0 .*: check the free space'
fails_once sync-1 "fsync state-00001 1 1 1 $EIO" 'cannot make durable \(fsync\): Input/output error .*rank 1 of 2'
fails_once manifest "fsync manifest.json 0 1 1 $EIO" 'cannot make durable .*manifest\.json'
fails_once publish "rename .partial-step-00000010 0 2 1 $EIO" 'cannot rename to .*step-00000010: Input/output error'
fails_once latest "rename latest.tmp 0 1 1 $ENOSPC" 'cannot rename to .*latest: No space left on device'
fails_once folder "mkdir step-00000010 1 1 1 $EROFS" 'cannot make the folder: Read-only file system .*rank 1 of 2'
case_name="metrics of a run whose save failed"
grep -q '"checkpoint":{"step":10,"durable":false,' "$runs/write-1/metrics.jsonl" || complain "they do not say so"

# The disk is full for two saves, then there is room, then it is full for good.
limited=(--set checkpoint.every_steps=2 --set checkpoint.max_failed_in_a_row=2 --set checkpoint.keep=20)
train "the disk stays full" 74 '^msn: error: 3 saves in a row failed, that of step 14 because: cannot write: No space left on device' \
  "pwrite state-00001 1 3 2 $ENOSPC;pwrite state-00000 0 9 $ALWAYS $ENOSPC" full "${limited[@]}"
expect_lines 4 "is not saved"
expect_lines 1 '^msn: error'
names full latest step-00000002 step-00000008
[ "$(cat "$runs/full/checkpoints/latest")" = step-00000008 ] || complain "latest names another"
train "room again" 0 'resuming after step 8' '' full "${limited[@]}"
same_end full
train "none may fail" 74 '^msn: error: a save failed, that of step 2 because: cannot write' "pwrite state-00001 1 1 1 $EIO" strict \
  "${limited[@]}" --set checkpoint.max_failed_in_a_row=0

# The last save may not fail, nor one at a stop.
train "the last one fails" 74 '^msn: error: cannot write' "pwrite state-00000 0 3 $ALWAYS $EIO" last --max-steps 12
names last latest step-00000010
train "one at a stop fails" 74 '^msn: error: cannot make durable' "fsync state-00001 1 1 $ALWAYS $EIO" last --max-seconds 0.001
names last latest step-00000010

# A thread that the disk does not let go does not hold up the steps, but the next save; the watchdog ends the wait.
expect "a save that hangs" 124 'in checkpoint of step 4 for [0-9]+ s \(runtime\.watchdog = 1 s\)' \
  env MSN_TEST_INJECT=checkpoint-half:1:hang "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" \
  --run "$runs/hangs" --set checkpoint.writers=2 --set checkpoint.every_steps=2 --set runtime.watchdog=1
expect "a rank that dies in a save" 137 '' \
  env MSN_TEST_INJECT=checkpoint-half:1:kill "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" \
  --run "$runs/last" --set checkpoint.writers=2 --set checkpoint.every_steps=2
train "and goes on from the one before" 0 'resuming after step 10' '' last
same_end last
finish
