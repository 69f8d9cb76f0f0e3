#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn bench checkpoint`: bench_checkpoint.sh MSN SOURCE MPIRUN...
msn=$1
source_dir=$2
shift 2
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"
limit_s=30  # On a machine that may be busy.
marker=$work/
tiny=(--set model.width=32 --set model.depth=2 --set model.heads=2 --set model.head_hidden=32 --set model.head_out=16
  --set model.prototypes=16)

number='[0-9.e+-]+'
expect "two writers" 0 "\"command\":\"bench checkpoint\",\"ranks\":2,\"writers\":2,\"bytes\":[0-9]+,\"held_seconds\":$number,\"copy_seconds\":$number,\"write_seconds\":$number,\"plain_write_seconds\":$number,\"write_ratio\":$number,\"from_disk\"" \
  "${mpirun[@]}" "$msn" bench checkpoint "$source_dir/configs/quickstart.toml" "${tiny[@]}" --set checkpoint.writers=2 \
  --run "$work/new" --repeats 2 --json
expect_lines 1 '^  training held +[0-9.]+ s'
expect_lines 1 '^  from the disk +reading [0-9.]+ s, loading [0-9.]+ s'
[ ! -e "$work/new" ] || complain "the folder that it made is still there"
mkdir "$work/there"
expect "alone, in a folder that is there" 0 ' in 1 file, 1 rank, medians of 1' \
  "$msn" bench checkpoint "${tiny[@]}" --set model.arch='"custom"' --run "$work/there" --repeats 1
[ -z "$(ls -A "$work/there")" ] || complain "something is left in the folder"
touch "$work/file"
expect "no folder" 74 '^msn: error: cannot make a folder to write in' \
  "$msn" bench checkpoint "${tiny[@]}" --set model.arch='"custom"' --run "$work/file/run"
expect "no --run" 2 'run' "$msn" bench checkpoint
finish
