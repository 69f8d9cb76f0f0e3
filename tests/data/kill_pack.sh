#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kills msn pack at pseudo-random moments, on one rank and on two. The next run goes on and ends with the files of a run
# that nobody disturbed, byte for byte: kill_pack.sh MSN MPIRUN...   (MPIRUN: for 2 ranks)
msn=$1
shift
mpirun=("$@")
# shellcheck source=tests/faults/common.sh
. "$(dirname "$0")/../faults/common.sh"
limit_s=60
# The marker in the paths of inputs lets `leftovers` find the processes of this test.
input=$work/$marker.csv
images=240
RANDOM=2022

# Pictures of the generator, and a list of 40 files that are not there: the last shards are partly and wholly bad.
for number in $(seq 40); do echo "absent$number.jpg,disc"; done >"$input"
pack() { # OUTPUT
  echo "$msn" pack --input "synthetic:shapes?images=$images&size=64&seed=3" --input "$input" --on-bad skip --shards 12 \
    --workers 1 --output "$1"
}

# shellcheck disable=SC2046
expect "undisturbed" 0 "packed" $(pack "$work/whole/set")
expect_lines 1 "$images images"

shards_made() {
  find "$work/killed" -name '*.h5' 2>/dev/null | wc -l
}

# killed NAME MOST COMMAND...: kills the command when a pseudo-random number of further shards, below MOST, are made and
# up to 30 ms more have passed. Counting shards, not seconds, finds the middle of the work on a busy machine too.
unfinished=0
killed() {
  case_name="$1: killed"
  local goal=$(($(shards_made) + RANDOM % $2))
  shift 2
  "$@" >"$work/out" 2>"$work/err" &
  local process=$!
  while [ "$(shards_made)" -lt "$goal" ] && kill -0 "$process" 2>/dev/null; do sleep 0.01; done
  sleep "$(printf '0.%03d' $((RANDOM % 30)))"
  # The launcher and the ranks, all at once: ranks that miss their launcher would end a little later by themselves.
  # shellcheck disable=SC2046
  kill -9 $(leftovers) 2>/dev/null
  wait "$process" 2>/dev/null
  local code=$?
  [ "$code" -eq 137 ] || [ "$code" -eq 0 ] || complain "ended with $code before it was killed"
  for _ in $(seq 100); do
    [ -n "$(leftovers)" ] || break
    sleep 0.1
  done
  [ -z "$(leftovers)" ] || complain "processes left: $(leftovers)"
  [ -e "$work/killed/set/dataset.json" ] || unfinished=$((unfinished + 1))
  echo "$case_name: $(shards_made) shards were made, the goal was $goal"
}

# compare NAME: the files are those of the undisturbed run.
compare() {
  case_name="$1: files"
  diff -r "$work/whole" "$work/killed" >"$work/out" 2>&1 || complain "other files than those of an undisturbed run"
  rm -rf "$work/killed"
}

for life in 1 2 3 4 5; do
  # shellcheck disable=SC2046
  killed "kill $life" 10 $(pack "$work/killed/set")
  # shellcheck disable=SC2046
  expect "kill $life: again" 0 "packed" $(pack "$work/killed/set")
  compare "kill $life"
done

# Killed three times in a row on two ranks.
# Killed all at once, Open MPI leaves what it shares: see tests/train/lost_ranks.sh.
may_leave='/vader_segment\.[^/]*$|/pid\.[0-9]+$'
for life in 1 2 3; do
  # shellcheck disable=SC2046
  killed "two ranks, kill $life" 4 "${mpirun[@]}" $(pack "$work/killed/set")
done
# shellcheck disable=SC2046
expect "two ranks: again" 0 "packed" "${mpirun[@]}" $(pack "$work/killed/set")
compare "two ranks"

case_name="kills"
[ "$unfinished" -ge 4 ] || complain "only $unfinished of 8 runs were killed before they had ended"
finish
