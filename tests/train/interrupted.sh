#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that is interrupted ten times, at random moments and by all that may end a job, equals one that never was:
# interrupted.sh MSN SOURCE MPIRUN... MSN_TEST_SEED repeats what a seed gave.
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
limit_s=40  # How soon a job ends is not asked here.
leave_s=20
may_leave='/vader_segment\.[^/]*$|/pid\.[0-9]+$'  # What mpirun leaves when it is killed.
seed=${MSN_TEST_SEED:-$RANDOM}
RANDOM=$seed
echo "MSN_TEST_SEED=$seed"
pack_tiny
run=$work/run
train=("$msn" train "$config" "${tiny[@]}" "${data[@]}" --max-steps 20 --set checkpoint.every_steps=4)

expect "uninterrupted" 0 'done after step 20' "${mpirun[@]}" "${train[@]}" --run "$work/golden"

# rank N: the process of that rank.
rank() {
  local pid
  for pid in $(leftovers); do
    grep -qs '^Name:[[:space:]]*msn$' "/proc/$pid/status" || continue
    ! grep -qsz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$pid/environ" || echo "$pid"
  done
}
# interrupt HOW: what happens to the job at once.
interrupt() {
  case $1 in
    USR1) kill -USR1 "$(rank $((RANDOM % 2)))" ;;
    TERM) kill -TERM "$(rank $((RANDOM % 2)))" ;;
    stop) touch "$run/stop" ;;
    KILL) kill -KILL "$(rank $((RANDOM % 2)))" ;;
    mpirun) kill -KILL "$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$(rank 0)/status")" ;;
  esac
}
ways=(USR1 TERM stop KILL mpirun)
code_of() { case $1 in KILL | mpirun) echo 137 ;; *) echo 75 ;; esac; }
newest() { cat "$run/checkpoints/latest" 2>/dev/null || echo step-00000000; }

# A life makes a step in 0.3 s, the file stop is seen a second after the first one: ten lives of one to five steps, of
# which some are lost. Near the end of the run a life is interrupted before its first step.
for life in {1..10}; do
  how=${ways[$(((life + seed) % 5))]}
  delay=$(printf '0.%03d' $((RANDOM % 600)))
  began=$(newest)
  late=$([ "$((10#${began#step-}))" -lt 12 ] || echo late)
  [ "$((10#${began#step-}))" -lt 19 ] || how=KILL
  (
    # Until both ranks catch SIGUSR1, and so all of these signals.
    for rank in 0 1; do
      until rank $rank | grep -q .; do sleep 0.02; done
      until grep -qs '^SigCgt:.*[2367abef]..$' "/proc/$(rank $rank)/status"; do sleep 0.02; done
    done
    [ -n "$late" ] || until grep -qs '"running"' "$run/status.json"; do sleep 0.02; done
    [ -n "$late" ] || sleep "$delay"
    interrupt "$how"
  ) &
  MSN_TEST_INJECT=step:0:sleep-300 expect "life $life: $how after ${late:-$delay s}, from $began" "$(code_of "$how")" '' \
    "${mpirun[@]}" "${train[@]}" --run "$run"
  wait
  rm -f "$run/stop" "$run/status.json"
done

expect "the last life" 0 'done after step 20' "${mpirun[@]}" "${train[@]}" --run "$run"
cmp "$work"/{golden,run}/checkpoints/step-00000020/state-00000-of-00001.h5 || complain "the states differ (seed $seed)"
[ "$(wc -l <"$run/metrics.jsonl")" -eq 20 ] || complain "not one line a step"
finish
