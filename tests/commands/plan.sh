#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn plan`: plan.sh MSN SOURCE MPIRUN...
msn=$1
source_dir=$2
shift 2
mpirun=("$@")
# shellcheck source=tests/faults/common.sh
. "$(dirname "$0")/../faults/common.sh"
limit_s=30
large=$source_dir/configs/vit_l7.toml

expect "a cluster" 0 '"command":"plan","gpu":"h100","link":"8x400g","precision":"bf16","ranks":128,"nodes":16,"global_batch":1024' \
  "$msn" plan "$large" --gpus 128 --gpu h100 --link 8x400g --set train.precision=bf16 --sweep --json
expect_lines 1 '^plan of .* on 128 h100, 16 nodes of 8 by 8x400g, bf16; nothing was run$'
expect_lines 1 '^memory +[0-9.]+ GiB a rank of 74.51 GiB$'
expect_lines 1 'at most [0-9]+ images a rank fit'
expect_lines 1 '^run +[0-9.]+ h for 200 epochs, [0-9]+ GPU hours$'
expect_lines 2 'of one node.s speed for each GPU'  # Strong and weak scaling, eight rows each.
expect_lines 16 '^ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ % +[0-9.]+ % '
expect "a batch that cannot be shared" 0 'note +global batch 1008 instead of 1024, which 144 ranks cannot share evenly' \
  "$msn" plan "$large" --gpus 144 --gpu a100

# Of this machine, by a measurement: of the very step that was measured it is that step's time.
tiny=(--set model.width=32 --set model.depth=2 --set model.heads=2 --set model.head_hidden=32 --set model.head_out=16
  --set model.prototypes=16 --set views.focal=2 --set runtime.threads=1 --set data.input=synthetic)
quick=$source_dir/configs/quickstart.toml
"${mpirun[@]}" "$msn" bench step "$quick" "${tiny[@]}" --batch 3 --steps 3 --warm-up 1 --json >"$work/step.json"
measured=$(sed -n 's/.*"step_seconds":\([0-9.e+-]*\),.*/\1/p' "$work/step.json")
expect "a measured step" 0 'a step.s time in proportion to that of .*step.json' \
  "$msn" plan "$quick" "${tiny[@]}" --set train.global_batch=6 --gpus 2 --gpu cpu --images 1000 --calibrate "$work/step.json" --json
planned=$(sed -n 's/.*"step_seconds":\([0-9.e+-]*\),.*/\1/p' "$work/out")
awk -v a="$measured" -v b="$planned" 'BEGIN { exit !(b > 0 && a / b > 0.999 && a / b < 1.001) }' ||
  complain "planned $planned s, measured $measured s"

expect "an unknown GPU" 2 'error: no facts are known of the GPU "x1" \(--gpu\): take one of v100, ' "$msn" plan "$large" --gpus 8 --gpu x1
expect "an unknown network" 2 '\(--link\): take one of 10gbe, .*, or the GB/s of a node' \
  "$msn" plan "$large" --gpus 8 --gpu h100 --link wet
expect "processors without a measurement" 2 'measure one: msn bench step' "$msn" plan "$large" --gpus 2 --gpu cpu
expect "a precision that it lacks" 78 'a v100 has no bf16' "$msn" plan "$large" --gpus 8 --gpu v100 --set train.precision=bf16
echo '{"command": "bench step"}' >"$work/half.json"
expect "half a measurement" 74 'a line is no measurement: .*half.json\): give a file' \
  "$msn" plan "$large" --gpus 8 --gpu h100 --calibrate "$work/half.json"
expect "no measurement" 74 'the file has no measurement' "$msn" plan "$large" --gpus 8 --gpu h100 --calibrate "$quick"
expect "too few images" 78 'a step of 1024 images is more than the 100 there are' \
  "$msn" plan "$large" --gpus 8 --gpu h100 --images 100
expect "two ranks" 2 'a plan needs one rank' "${mpirun[@]}" "$msn" plan "$large" --gpus 8 --gpu h100
expect_lines 1 '^msn: error'
finish
