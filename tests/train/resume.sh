#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reruns and resumes give the same bytes: resume.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
pack_tiny

train() { # NAME CODE ARGUMENTS...
  local name=$1 code=$2
  shift 2
  expect "train $name" "$code" "" "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/$name" "$@"
}

# same_state A B STEP: the checkpoints' data files are equal byte for byte, and their manifests but for `written`.
same_state() {
  local a="$work/$1/checkpoints/step-$3" b="$work/$2/checkpoints/step-$3"
  case_name="$1 and $2 at step $3"
  cmp "$a/state-00000-of-00001.h5" "$b/state-00000-of-00001.h5" || complain "the data files differ"
  if ! diff <(sed '/"written"/,/}/d' "$a/manifest.json") <(sed '/"written"/,/}/d' "$b/manifest.json") >"$work/out"; then
    complain "the manifests differ"
  fi
}

train straight 0 --max-steps 20
train again 0 --max-steps 20
same_state straight again 00000020

train resumed 0 --max-steps 10
same_state straight resumed 00000010
MSN_TEST_INJECT=step-13:1:kill train resumed 137 --max-steps 20
train resumed 0 --max-steps 20
same_state straight resumed 00000020
case_name="metrics of a resumed run"
steps() { grep -o '^{"step":[0-9]*' "$work/resumed/metrics.jsonl" | cut -d: -f2; }
cmp -s <(steps) <(seq 20) || complain "not one line a step, in order"
[ "$(find "$work/resumed/tensorboard" -name 'events.out.tfevents.*' | wc -l)" -eq 3 ] || complain "not one event file a life"
expect "a table of the steps" 0 '^20 steps in .*/steps\.csv$' "$msn" inspect "$work/resumed" --csv "$work/steps.csv"
cmp -s <(cut -d, -f1 "$work/steps.csv") <(echo step; seq 20) || complain "not one line a step, in order"
expect "a table of a data set" 2 '--csv is for run folders' "$msn" inspect "$work/data" --csv "$work/no.csv"
expect "a table in no folder" 74 'cannot write the table .*no/no\.csv' "$msn" inspect "$work/resumed" --csv "$work/no/no.csv"

# --max-seconds stops with a checkpoint and 75; the same command goes on.
train timed 75 --max-seconds 0.001
train timed 0 --max-steps 10
same_state straight timed 00000010

# A damaged checkpoint is set aside, and the run makes it again. One that is gone back to leaves the newer ones behind.
printf 'x' | dd of="$work/again/checkpoints/step-00000020/state-00000-of-00001.h5" bs=1 seek=5000 conv=notrunc status=none
expect "damaged" 0 'passing over a checkpoint: the file differs from its manifest .*step-00000020' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/again" --max-steps 20
expect_lines 1 'the damaged checkpoint is set aside as damaged-step-00000020'
same_state straight again 00000020
[ -d "$work/again/checkpoints/damaged-step-00000020" ] || complain "the damaged checkpoint is gone"
train again 0 --max-steps 12 --resume 10
[ -d "$work/again/checkpoints/abandoned-step-00000020" ] || complain "the newer checkpoint was not set aside"
expect "the new way" 0 'resuming after step 12' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/again" --max-steps 20
same_state straight again 00000020

# A run that is at its end is left as it is, and a changed configuration is refused with the key's name.
train straight 0 --max-steps 20
expect "changed configuration" 78 'optim\.lr was .*--force-resume optim\.lr' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/straight" --set 'optim.lr=[1e-4,2e-3,1e-6]'
expect "forced" 0 'resuming although optim\.lr' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/straight" --set 'optim.lr=[1e-4,2e-3,1e-6]' \
  --force-resume optim.lr --max-steps 21
expect "unknown forced key" 2 'no such key: optim\.lrs .*nearest known key is optim\.lr' \
  "$msn" train "$config" --run "$work/straight" --force-resume optim.lrs
expect "never" 2 'holds checkpoints already' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/straight" --resume never
expect "absent step" 74 'step' "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/straight" --resume 15

# Another data set is refused.
expect "pack another" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=96&size=40&seed=3' --output "$work/other"
expect "other data" 74 'data set is not the one' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" --run "$work/again" --data "$work/other"

# Resume on another number of ranks, and evaluate.
use_ranks 1
train resumed 0 --max-steps 24
expect "knn" 0 '"top1":' "$msn" eval knn --run "$work/resumed" --train "$work/data" --test "$work/data" --json
expect "inspect" 0 'step: 24' "$msn" inspect "$work/resumed/checkpoints/step-00000024"
finish
