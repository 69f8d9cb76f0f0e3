#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signals, files and time limits stop a run with one checkpoint and 75, whatever rank hears of them, how often and when;
# it goes on to the same bytes: stop.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
limit_s=30
pack_tiny
tiny+=(--set checkpoint.every_steps=0 --set checkpoint.keep=50)
run=$work/run

# life NAME CODE PATTERN [ARGUMENT...]: of the run in $run. Its steps take a tenth of a second and more.
life() {
  local name=$1 code=$2 pattern=$3
  shift 3
  MSN_TEST_INJECT=step:0:sleep-100${faults:+,$faults} expect "$name" "$code" "$pattern" \
    "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$run" "$@"
}
# steps: how many the run in $run has made, those without a checkpoint included.
steps() { grep -cs '' "$run/metrics.jsonl" || [ -e "$run/metrics.jsonl" ] || echo 0; }
after_steps() { until [ "$(steps)" -ge "$1" ]; do sleep 0.05; done; }
# rank N: the process of that rank of the job that runs.
rank() {
  local pid
  for pid in $(leftovers); do
    grep -qs '^Name:[[:space:]]*msn$' "/proc/$pid/status" || continue
    ! grep -qsz "^OMPI_COMM_WORLD_RANK=$1\$" "/proc/$pid/environ" || echo "$pid"
  done
}
launcher() { sed -n 's/^PPid:[[:space:]]*//p' "/proc/$(rank 0)/status"; }
saved() { find "$run/checkpoints" -maxdepth 1 -name 'step-*' | wc -l; }
# has KEY VALUE: the status says so.
has() { grep -q "^  \"$1\": $2,\$" "$run/status.json" || complain "no $1 $2 in $(cat "$run/status.json")"; }

# stopped STEPS CAUSE: the last life made more than STEPS steps and, in all lives, $saved checkpoints and one more, the
# newest of its last step.
stopped() {
  local at
  at=$(printf 'step-%08d' "$(steps)")
  [ "$(steps)" -gt "$1" ] || complain "no step was made"
  [ "$(saved)" -eq $((saved + 1)) ] || complain "$(saved) checkpoints, expected $((saved + 1))"
  saved=$(saved)
  [ "$(cat "$run/checkpoints/latest")" = "$at" ] || complain "the newest checkpoint is not of the last step, $at"
  has state '"stopped"'; has exit_code 75; has checkpoint "\"$at\""; has reason "\"$2\""
}
saved=0

# During the start, before MPI is up: as soon as the signal is caught (bit 9 of the mask) it comes.
( until grep -qs '^SigCgt:.*[2367abef]..$' /proc/"$(rank 1 | grep . || echo none)"/status; do sleep 0.02; done
  kill -USR1 "$(rank 1)" ) &
life "signal during the start" 75 '^msn: stopped: by SIGUSR1 \(rank 1\) after step 1, with a durable checkpoint \('
wait
stopped 0 'SIGUSR1 (rank 1)'
[ "$(steps)" -eq 1 ] || complain "more than the one step that a life makes"

begun=$(steps)
( after_steps $((begun + 2)); kill -USR1 "$(launcher)" ) &
life "SIGUSR1 to mpirun" 75 'stopped: by SIGUSR1 \(rank 0\)'
wait
stopped "$begun" 'SIGUSR1 (rank 0)'

# Ten times to one rank; more of them, of two kinds, while the checkpoint is written.
begun=$(steps)
( after_steps $((begun + 2)); for _ in {1..10}; do kill -USR2 "$(rank 1)"; done
  until compgen -G "$run/checkpoints/.partial-*" >/dev/null; do sleep 0.05; done
  kill -USR2 "$(launcher)"; kill -TERM "$(rank 1)"; kill -USR1 "$(rank 0)" ) &
faults=checkpoint-filled:0:sleep-700 life "SIGUSR2 ten times and while saving" 75 'stopped: by SIGUSR2 \(rank 1\)'
wait
stopped "$begun" 'SIGUSR2 (rank 1)'

begun=$(steps)
( after_steps $((begun + 1)); kill -TERM "$(rank 1)" ) &
life "SIGTERM to one rank" 75 'stopped: by SIGTERM \(rank 1\)'
wait
stopped "$begun" 'SIGTERM (rank 1)'

# The files, of which RUN/stop is seen when a second has passed.
begun=$(steps)
touch "$run/save"
( until [ ! -e "$run/save" ]; do sleep 0.05; done; touch "$run/stop" ) &
faults=step:0:sleep-400 life "RUN/save, then RUN/stop" 75 'stopped: by the file stop .*: remove .*/run/stop, then run the same command again'
wait
saved=$((saved + 1))
stopped "$begun" 'the file stop'
life "RUN/stop before the start" 75 \
  '^msn: stopped: nothing was done, because the run.s file stop is there; the newest checkpoint is .*/step-[0-9]+ \('
rm "$run/stop"

# The job's end: 15 seconds before it training is over.
begun=$(steps)
faults=step:0:sleep-400 MSN_JOB_END=$(($(date +%s) + 17)) life "the job's end" 75 'the job ends at .*Z \(MSN_JOB_END\)'
stopped "$begun" "the job's end"

# The rest, with checkpoints by the clock and a variable that says nothing; a signal in the last step changes nothing.
( after_steps 23; kill -USR1 "$(launcher)" ) &
faults=step-23:0:sleep-1000 MSN_JOB_END=soon life "signal in the last step" 0 'MSN_JOB_END is no time' \
  --set checkpoint.every_minutes=0.003
wait
has state '"done"'; has exit_code 0; has step 24; has total_steps 24; has reason null
[ "$(saved)" -gt $((saved + 1)) ] || complain "no checkpoint but the last"
expect "the run without a stop" 0 'done after step 24' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/straight"
cmp "$work"/{run,straight}/checkpoints/step-00000024/state-00000-of-00001.h5 || complain "the states differ"

# --max-seconds, counted from the start of the process, keeps its word within the time that a checkpoint takes: here
# more than a second, as the first one shows.
run=$work/timed
mkdir "$run"
touch "$run/save"
faults=checkpoint-filled:0:sleep-1000 life "--max-seconds" 75 'stopped: by --max-seconds' \
  --set train.epochs=20 --max-seconds 8
seconds() { date -d "$(sed -n "s/^  \"$1\": \"\(.*\)\",*$/\1/p" "$run/status.json")" +%s; }
[ $(($(seconds time) - $(seconds started))) -le 10 ] || complain "$(cat "$run/status.json")"

# A list of one's own: other signals do what they always did.
run=$work/listed
( after_steps 2; kill -USR2 "$(rank 1)" ) &
life "a signal that is not in the list" 140 'signal 12' --set 'runtime.stop_signals=["TERM"]'
wait
expect "a list with SIGKILL" 78 'runtime.stop_signals holds "KILL" .*: it must be a list, each at most once, of "HUP"' \
  "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$run" --set 'runtime.stop_signals=["KILL"]'
finish
