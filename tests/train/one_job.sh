#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One job a run folder: a second one is refused; one that takes over from a job that gives no sign is not disturbed by
# it when it comes back; a run that dies again and again without a step forward ends: one_job.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
limit_s=50  # Two jobs, one after the other, and what they wait for.
pack_tiny
run=("${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --set checkpoint.every_steps=4 --max-steps 8)
slow=data:0:sleep-150

# wait_for_steps RUN COUNT
wait_for_steps() {
  local lines=0
  until [ "${lines:-0}" -ge "$2" ]; do
    sleep 0.1
    lines=$(grep -c '' "$1/metrics.jsonl" 2>/dev/null)
  done
}

# other_job FILE COMMAND...: runs it beside what `expect` runs. Its output and a line with its code come into FILE.
other_job() {
  local file=$1
  shift
  timeout -k 5 60 "$@" >"$file" 2>&1
  echo "code $?" >>"$file"
}

# in_other PATTERN: a line of its output.
in_other() {
  grep -Eq -- "$1" "$work/other" || { complain "no '$1' in the other job's output:"; sed 's/^/    : /' "$work/other"; }
}

same_state() { # A B STEP
  local file=checkpoints/step-$3/state-00000-of-00001.h5
  cmp "$work/$1/$file" "$work/$2/$file" || complain "the states of $1 and $2 differ"
}

# stopped: processes of this test that a signal has stopped.
stopped() {
  local pid
  for pid in $(leftovers); do
    ! grep -qs '^State:[[:space:]]*T' "/proc/$pid/status" || echo "$pid"
  done
}

# contents RUN: every file with its hash.
contents() {
  (cd "$1" && find . -type f ! -name lease.json -exec sha256sum {} + | sort -k 2)
}

export MSN_TEST_LEASE=0.5:1:3
expect "undisturbed" 0 'done after step 8' "${run[@]}" --run "$work/undisturbed"
expect "inspect" 0 'lease: .*free; given back by .*generation 1' "$msn" inspect "$work/undisturbed"
grep -q '"exit": 0' "$work/undisturbed/run.json" || complain "run.json does not tell how the life ended"

# A second job, while the first one trains.
(
  wait_for_steps "$work/shared" 1
  other_job "$work/other" "${run[@]}" --run "$work/shared"
) &
MSN_TEST_INJECT=$slow expect "the first of two jobs" 0 'done after step 8' "${run[@]}" --run "$work/shared"
wait
expect_lines 0 '^msn: '
in_other '^code 74$'
in_other "^msn: error: another job trains in this run folder: a job on host .* \(process [0-9]+, generation 1, since .*\($work/shared\): wait until"
same_state shared undisturbed 00000008
[ "$(wc -l <"$work/shared/metrics.jsonl")" -eq 8 ] || complain "not one line a step"

# A job that is stopped as a whole, so that another one takes over, and that then goes on.
(
  wait_for_steps "$work/ghost" 2
  ghost=$(for pid in $(leftovers); do grep -qs '^Name:[[:space:]]*timeout$' "/proc/$pid/status" || echo "$pid"; done)
  # shellcheck disable=SC2086
  kill -STOP $ghost
  other_job "$work/other" "${run[@]}" --run "$work/ghost"
  contents "$work/ghost" >"$work/before"
  # shellcheck disable=SC2086
  kill -CONT $ghost
) &
MSN_TEST_INJECT=$slow expect "a job that others took for gone" 74 \
  '^msn: error: another job has taken over the run folder: a job on host .*, generation 2, ' "${run[@]}" --run "$work/ghost"
wait
expect_lines 1 '^msn: '
in_other '^code 0$'
in_other 'taking over the run folder from a job on host .*, generation 1, '
in_other 'done after step 8'
contents "$work/ghost" | diff "$work/before" - || complain "it wrote into the run folder"
same_state ghost undisturbed 00000008

# The same of a job that is stopped when its checkpoint is written and has no name yet.
(
  until late=$(stopped) && [ -n "$late" ]; do sleep 0.1; done
  other_job "$work/other" "${run[@]}" --run "$work/late"
  contents "$work/late" >"$work/before"
  # It may come to its next checkpoint, and be stopped there too, before it sees that it has lost the folder.
  # shellcheck disable=SC2086
  while kill -CONT $late; do sleep 0.2; done 2>/dev/null
) &
MSN_TEST_INJECT=checkpoint-manifest:0:stop expect "a checkpoint that comes too late" 74 \
  '^msn: error: another job has taken over the run folder: a job on host .*, generation 2, ' "${run[@]}" --run "$work/late"
wait
in_other '^code 0$'
contents "$work/late" | diff "$work/before" - || complain "it wrote into the run folder"
same_state late undisturbed 00000008

# The usual times: a run whose process has ended is gone on with at once, until it has come to nothing too often.
unset MSN_TEST_LEASE
limit_s=15
again=("${run[@]}" --run "$work/again" --set train.max_fruitless_lives=2)
for life in 1 2; do
  MSN_TEST_INJECT=step-2:0:kill expect "killed before its first checkpoint, $life" 137 '' "${again[@]}"
done
contents "$work/again" | grep -v '/status\.json$' >"$work/before"
expect "one time too often" 79 \
  '^msn: error: the last 2 lives of the run began after step 0 and ended without a newer checkpoint; the last one was killed' \
  "${again[@]}"
expect_lines 1 '^msn: '
contents "$work/again" | grep -v '/status\.json$' | diff "$work/before" - || complain "the run folder changed"
grep -q '"exit_code": 79' "$work/again/status.json" || complain "status.json does not tell of the end"
expect "once more on request" 0 'done after step 8' "${again[@]}" --set train.max_fruitless_lives=0
same_state again undisturbed 00000008
for _ in 1 2 3; do
  expect "nothing left to do" 0 'done after step 8' "${again[@]}"
done
finish
