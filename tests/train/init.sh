#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that begins with the weights of another: init.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
pack_tiny

train() { # CASE CODE PATTERN RUN ARGUMENTS...
  local name=$1 code=$2 pattern=$3 run=$4
  shift 4
  expect "$name" "$code" "$pattern" \
    "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/$run" "$@"
}

# hashes RUN STEP PREFIX: "NAME HASH" of the checkpoint's tensors below PREFIX, which is taken off.
hashes() {
  awk -F'"' -v prefix="$3" '$2 == "name" { name = $4 }
    $2 == "hash" && index(name, prefix) == 1 { print substr(name, length(prefix) + 1), $4 }' \
    "$work/$1/checkpoints/step-$2/manifest.json"
}
same() { # WHAT FILE FILE
  case_name=$1
  [ -s "$2" ] || complain "no tensors"
  cmp -s "$2" "$3" || complain "other weights"
}

train "the first run" 0 'done after step 10' first --max-steps 10
from=$work/first/checkpoints/step-00000010
train "the second begins with it" 0 "beginning with .* tensors of $from \(target\), prototypes among them" second \
  --set "model.init=$from" --max-steps 0
hashes first 00000010 target. >"$work/want"
hashes second 00000000 target. >"$work/target"
same "the target network" "$work/want" "$work/target"
hashes second 00000000 online. | grep -v '^prototypes ' >"$work/online"
same "the online network" "$work/want" "$work/online"
hashes first 00000010 online.prototypes >"$work/want"
hashes second 00000000 online.prototypes >"$work/got"
same "the prototypes" "$work/want" "$work/got"
for run in first second; do
  expect "evaluate the $run" 0 '"top1":' \
    "$msn" eval knn --run "$work/$run" --train "$work/data" --test "$work/data" --json
  sed -n 's/.*\("top1":[0-9.]*\).*/\1/p' "$work/out" >"$work/top1-$run"
done
same "the features" "$work/top1-first" "$work/top1-second"

# Once a run has begun, its own checkpoints count, wherever the weights have gone.
mv "$work/first" "$work/elsewhere"
train "resume without the weights" 0 'resuming after step 0' second --set "model.init=$from" --max-steps 2
train "other weights for a begun run" 78 'model\.init was .*--force-resume model\.init' second --max-steps 3

train "missing weights" 78 'model\.init: there is nothing here \(.*absent\.safetensors, rank 0 of 2' third \
  --set "model.init=$work/absent.safetensors"
expect_lines 1 '^msn: error'
train "a run folder" 78 'neither a file of weights nor a checkpoint.*step-\*' third --set "model.init=$work/elsewhere"
expect_lines 1 '^msn: error'
printf '\2\0\0\0\0\0\0\0{}' >"$work/empty.safetensors"
train "a file of nothing" 78 'missing tensor \(.*empty\.safetensors:cls_token' third \
  --set "model.init=$work/empty.safetensors"
expect_lines 1 '^msn: error'
printf '\3\0\0\0\0\0\0\0{}' >"$work/short.safetensors"
train "a damaged file" 74 'header cannot have 3 bytes \(.*short\.safetensors' third \
  --set "model.init=$work/short.safetensors"
expect_lines 1 '^msn: error'
train "another network" 78 'has shape \[1, 1, 32\] where the model has \[1, 1, 64\]' third \
  --set "model.init=$work/elsewhere/checkpoints/step-00000010" --set model.width=64
expect_lines 1 '^msn: error'
finish
