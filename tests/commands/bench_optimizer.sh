#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn bench optimizer`: bench_optimizer.sh MSN SOURCE MPIRUN...
msn=$1
source_dir=$2
shift 2
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"
limit_s=30  # On a machine that may be busy.
tiny=(--set model.width=32 --set model.depth=2 --set model.heads=2 --set model.head_hidden=32 --set model.head_out=16
  --set model.prototypes=16 --set runtime.threads=1)
config=$source_dir/configs/quickstart.toml

number='[0-9.e+-]+'
rates="\"seconds\":$number,\"bytes_per_second\":$number,\"copy_bytes_per_second\":$number,\"ratio\":$number"
expect "two ranks" 0 "\"command\":\"bench optimizer\",.*\"ranks\":2,\"threads\":1,\"parameters\":[0-9]+,\"repeats\":3,\"passes\":\[\{\"state\":\"fp32\",\"bf16_shadows\":false,\"bytes\":[0-9]+,$rates\},\{\"state\":\"fp32\",\"bf16_shadows\":true,\"bytes\":[0-9]+,$rates\}\]\}" \
  "${mpirun[@]}" "$msn" bench optimizer "$config" "${tiny[@]}" --repeats 3 --json
expect_lines 1 '^    fp32 +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$'
expect_lines 1 '^    fp32, bf16 shadows +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+$'
# Of every parameter parameters, moments and gradients (28 bytes), of all but the 16 x 16 prototypes the target (8), of
# the whole gradient buffer with its padding the norm.
expect "bytes" 0 '"passes"' "$msn" bench optimizer "$config" "${tiny[@]}" --repeats 1 --json
read -r parameters plain shadowed < <(sed -n \
  's/.*"parameters":\([0-9]*\),.*"bytes":\([0-9]*\),.*"bytes":\([0-9]*\),.*/\1 \2 \3/p' "$work/out")
least=$((36 * parameters - 8 * 256 + 4 * parameters))
((plain >= least && plain < least + least / 20)) || complain "moves $plain bytes, not $least and a norm's padding"
((shadowed - plain == 4 * parameters - 2 * 256)) || complain "the shadows take $((shadowed - plain)) bytes"
expect "in float64" 0 '"passes":\[\{"state":"fp64","bf16_shadows":false,[^{]*\}\]' \
  "$msn" bench optimizer "$config" "${tiny[@]}" --set train.precision=fp64 --repeats 1 --json
expect "no repeats" 2 'repeats' "$msn" bench optimizer --repeats 0
finish
