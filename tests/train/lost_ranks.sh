#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Inner shells expand their own variables.
# shellcheck disable=SC2016
# A rank that dies, crashes or fails in the midst of training ends the job everywhere, soon, with the code that says why
# and at most one line of ours: lost_ranks.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 3
pack_tiny
run=("$msn" train "$config" "${tiny[@]}" "${data[@]}" --set train.global_batch=6 --set runtime.watchdog=60)

# lose NAME FAULT CODE PATTERN LINES: trains with the fault in MSN_TEST_INJECT; LINES of ours are written.
lose() {
  MSN_TEST_INJECT=$2 expect "$1" "$3" "$4" "${mpirun[@]}" "${run[@]}" --run "$work/${1// /-}"
  expect_lines "$5" '^msn: '
}

# status NAME PATTERN: the status of that run has the line.
status() {
  grep -Eq "^  $2,\$" "$work/$1/status.json" || complain "no $2 in $(cat "$work/$1/status.json")"
}

lose "SIGKILL of rank 0" data-4:0:kill 137 'signal 9' 0
status SIGKILL-of-rank-0 '"state": "running"'
lose "SIGKILL of rank 2" backward-4:2:kill 137 'signal 9' 0
lose "segmentation fault" forward-4:1:segv 139 \
  '^msn: error on rank 1 of 3 \(host .*\): segmentation fault in forward of step 4: this is a defect' 1
lose "exception" update-4:2:defect 70 '^msn: error on rank 2 of 3 \(host .*\): a defect was injected at update-4: ' 1
status exception '"state": "failed"'
status exception '"reason": "rank 2 of 3 \(host .*\): a defect was injected at update-4: .*"'
status exception '"exit_code": 70'
lose "leaving with code 0" reduce-4:1:exit0 1 'exited improperly|without calling "finalize"' 0

# The fault's point knows no rank: it is asked for on one.
expect "exception in a loader thread" 70 '^msn: error on rank 1 of 3 \(host .*\): a defect was injected at shard-read: ' \
  "${mpirun[@]}" bash -c 'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then export MSN_TEST_INJECT=shard-read:0:defect; fi
    exec "$@"' rank "${run[@]}" --run "$work/loader"
expect_lines 1 '^msn: '

# The launcher is killed when training has begun; its ranks find out by themselves. Open MPI's own files, which it would
# have removed, stay; nothing else does.
leave_s=20
may_leave='/vader_segment\.[^/]*$|/pid\.[0-9]+$'
MSN_TEST_INJECT=data:0:sleep-300 expect "SIGKILL of mpirun" 137 '' bash -c 'metrics=$1; shift; "$@" & launcher=$!
  until [ -s "$metrics" ]; do sleep 0.1; done
  kill -9 $launcher; wait $launcher' killer "$work/launcher/metrics.jsonl" \
  "${mpirun[@]}" "${run[@]}" --run "$work/launcher"
expect_lines 0 '^msn: '
finish
