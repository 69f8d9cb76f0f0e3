#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ranks that hang, are stopped, leave out a collective or are slow: the watchdog ends what stands still, names who is at
# fault, and lets the rest go on as if nothing had been: stalls.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 3
limit_s=30
pack_tiny
run=("${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --set train.global_batch=6)

# stopped: processes of this test that a signal has stopped.
stopped() {
  local pid
  for pid in $(leftovers); do
    ! grep -qs '^State:[[:space:]]*T' "/proc/$pid/status" || echo "$pid"
  done
}

# same_state A B: their last checkpoints hold the same bytes.
same_state() {
  local file=checkpoints/step-00000008/state-00000-of-00001.h5
  case_name="$1 and $2"
  cmp "$work/$1/$file" "$work/$2/$file" || complain "the states differ"
}

expect "undisturbed" 0 'done after step 8' "${run[@]}" --max-steps 8 --run "$work/undisturbed"
expect_lines 0 'has been in'

# Stopped for longer than a third of the limit, but not for the limit.
(
  until [ -n "$(stopped)" ]; do sleep 0.1; done
  sleep 3
  # shellcheck disable=SC2046
  kill -CONT $(stopped)
) &
MSN_TEST_INJECT=forward-4:1:stop expect "stopped for a while" 0 'done after step 8' \
  "${run[@]}" --max-steps 8 --set runtime.watchdog=8 --run "$work/stopped"
wait
expect_lines 0 '^msn: '
expect_lines 1 'has been in .*rank 1 of 3 \(host .*\) has not come to collective .*: stopped by a signal, in forward of step 4'
same_state stopped undisturbed

# All ranks stopped for longer than the limit: the watchdogs were, too.
(
  until [ -s "$work/suspended/metrics.jsonl" ]; do sleep 0.1; done
  ranks=$(for pid in $(leftovers); do grep -qs '^Name:[[:space:]]*msn$' "/proc/$pid/status" && echo "$pid"; done)
  # shellcheck disable=SC2086
  kill -STOP $ranks
  sleep 4
  # shellcheck disable=SC2086
  kill -CONT $ranks
) &
MSN_TEST_INJECT=data:0:sleep-300 expect "suspended" 0 'done after step 8' \
  "${run[@]}" --max-steps 8 --set runtime.watchdog=3 --run "$work/suspended"
wait
expect_lines 0 '^msn: '
same_state suspended undisturbed

# stall NAME FAULT PATTERN: ends with 124, in one line with that reason, and every rank that can writes its record.
stall() {
  MSN_TEST_INJECT=$2 expect "$1" 124 "^msn: error: $3.*\\(runtime.watchdog = 3 s\\): look at that host" \
    "${run[@]}" --set runtime.watchdog=3 --set train.check_replicas_every=5 --run "$work/${1// /-}"
  expect_lines 1 '^msn: '
  flight=$work/${1// /-}/flight
  grep -Eq "^msn: error: $3" "$flight"/stall-*.txt || complain "no line in the folder of records"
}

stall "stopped for good" forward-4:1:stop \
  'rank 1 of 3 \(host .*\) has not come to collective [0-9]+ \(gather ".*"\) of step 4: stopped by a signal, in forward of step 4 for'
stall "hang" data-4:2:hang \
  'rank 2 of 3 \(host .*\) has not come to collective [0-9]+ \(gather ".*"\) of step 4: in data of step 4 for'
for rank in 0 1 2; do
  section=forward
  [ "$rank" -ne 2 ] || section=data
  for line in "\"rank\": $rank" "\"section\": \"$section\"" '"step": 4'; do
    grep -qx "$line," "$flight/rank-000$rank.json" || complain "no $line in the record of rank $rank"
  done
done
grep -q '"waits_for": {"channel":"tensors",' "$flight/rank-0000.json" || complain "rank 0 waits for nothing"
grep -q '"waits_for": null' "$flight/rank-0002.json" || complain "rank 2 waits for something"

# Rank 1 goes on where the others compare their replicas, and waits for them in the next step.
stall "skipped collective" skip-replica-check-5:1:damage \
  'rank 1 of 3 \(host .*\) has not come to control collective [0-9]+ \(sum "number"\) of step 5: in forward of step 6 for'

MSN_TEST_INJECT=backward:1:sleep-700 expect "slow rank" 0 'slowest is rank 1 \(host .*\): [0-9.]+ ms behind the median, most in backward' \
  "${run[@]}" --max-steps 4 --run "$work/slow"
case_name="metrics of the slow rank"
grep -q '"step":4,.*"ranks":{"steps":[1-4],.*"slowest":1,.*"section":"backward"' "$work/slow/metrics.jsonl" ||
  complain "not in the last line of metrics.jsonl"
finish
