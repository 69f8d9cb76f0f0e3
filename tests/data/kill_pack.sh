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
images=1500
RANDOM=2022

# Pictures of the generator, and a list of 40 files that are none.
for number in $(seq 40); do echo "absent$number.jpg,disc"; done >"$input"
pack() { # OUTPUT
  echo "$msn" pack --input "synthetic:shapes?images=$images&size=64&seed=3" --input "$input" --on-bad skip --shards 40 \
    --workers 1 --output "$1"
}

# start COMMAND...: in the background, in a process group of its own, whose number is `group` then.
start() {
  setsid "$@" >"$work/out" 2>"$work/err" &
  group=$!
}

began=$(date +%s%N)
# shellcheck disable=SC2046
expect "undisturbed" 0 "packed" $(pack "$work/whole/set")
took_ms=$((($(date +%s%N) - began) / 1000000))
expect_lines 1 "$images images"

# killed NAME COMMAND...: kills all processes of the command after 10 to 90 % of the time that a whole run takes.
unfinished=0
killed() {
  case_name="$1: killed"
  shift
  start "$@"
  local share=$((10 + RANDOM % 81))
  sleep "$(printf '%d.%03d' $((took_ms * share / 100000)) $((took_ms * share / 100 % 1000)))"
  kill -9 -- "-$group"
  wait "$group" 2>/dev/null
  # Ranks that the launcher started may be in groups of their own; they end when they miss it.
  for _ in $(seq 100); do
    [ -n "$(leftovers)" ] || break
    sleep 0.1
  done
  [ -z "$(leftovers)" ] || complain "processes left: $(leftovers)"
  [ -e "$work/killed/set/dataset.json" ] || unfinished=$((unfinished + 1))
  echo "killed at $share % of $took_ms ms: $(find "$work/killed" -name '*.h5' 2>/dev/null | wc -l) of 40 shards"
}

# compare NAME: the files are those of the undisturbed run.
compare() {
  case_name="$1: files"
  diff -r "$work/whole" "$work/killed" >"$work/out" 2>&1 || complain "other files than those of an undisturbed run"
  rm -rf "$work/killed"
}

for life in 1 2 3 4 5; do
  # shellcheck disable=SC2046
  killed "kill $life" $(pack "$work/killed/set")
  # shellcheck disable=SC2046
  expect "kill $life: again" 0 "packed" $(pack "$work/killed/set")
  compare "kill $life"
done

# Killed three times on two ranks, then finished by one: which shards are whole does not depend on who made them.
for life in 1 2 3; do
  # shellcheck disable=SC2046
  killed "two ranks, kill $life" "${mpirun[@]}" $(pack "$work/killed/set")
done
# shellcheck disable=SC2046
expect "two ranks: again" 0 "packed" "${mpirun[@]}" $(pack "$work/killed/set")
compare "two ranks"

case_name="kills"
[ "$unfinished" -ge 4 ] || complain "only $unfinished of 8 runs were killed before they had ended"
finish
