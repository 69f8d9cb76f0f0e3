#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn bench gemm` and what a run makes of the file it writes: bench_gemm.sh MSN SOURCE MPIRUN...
msn=$1
source_dir=$2
shift 2
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"
limit_s=30  # On a machine that may be busy.
tiny=(--set model.width=32 --set model.depth=2 --set model.heads=2 --set model.head_hidden=32 --set model.head_out=16
  --set model.prototypes=16 --set views.focal=2 --set runtime.threads=1)

number='[0-9.e+-]+'
backend='"(mkl|onednn)"'
expect "two ranks" 0 "\"command\":\"bench gemm\",\"processor\":\"[^\"]+\",\"ranks\":2,\"threads\":1,\"global_batch\":4,\"products\":\[\{\"layer\":\"patch_embed\",\"type\":\"fp32\",\"product\":\"forward\",\"rows\":[0-9]+,\"in\":[0-9]+,\"out\":32,\"mkl_flops_per_second\":$number,\"onednn_flops_per_second\":$number\},.*\"fastest\":\{\"fp32.forward\":$backend,.*\"bf16.weight_gradient\":$backend\}" \
  "${mpirun[@]}" "$msn" bench gemm "$source_dir/configs/quickstart.toml" "${tiny[@]}" --batch 2 --repeats 1 \
  --write "$work/gemm.json" --json
expect_lines 1 '^  blocks\.fc2 +[0-9]+ +128 +32  fp32  weight gradient +[0-9.]+ +[0-9.]+$'
expect_lines 1 '^fastest for a step: '
expect "a step by the file" 0 "matrix products by .*, as $work/gemm.json says" "$msn" bench step \
  "$source_dir/configs/quickstart.toml" "${tiny[@]}" --set "runtime.gemm=\"$work/gemm.json\"" --batch 2 --steps 1 --warm-up 0
sed 's/"processor": "[^"]*"/"processor": "Intel, MMX"/' "$work/gemm.json" >"$work/other.json"
expect "of another processor" 78 "^msn: error: measured on another kind of processor: Intel, MMX" "$msn" bench step \
  "$source_dir/configs/quickstart.toml" "${tiny[@]}" --set "runtime.gemm=\"$work/other.json\"" --batch 2 --steps 1
expect "nowhere to write" 74 'none/gemm.json' "$msn" bench gemm "$source_dir/configs/quickstart.toml" "${tiny[@]}" \
  --batch 1 --repeats 1 --write "$work/none/gemm.json"
expect "no repeats" 2 'repeats' "$msn" bench gemm --repeats 0
finish
