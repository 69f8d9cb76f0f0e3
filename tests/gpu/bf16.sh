#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# 200 steps in bfloat16 beside 200 in float32, from the same weights on the same images, views and masks, on one GPU:
# means over 20 steps of the cross-entropy differ by less than 1 % of its drop from ln K, and 0.01: bf16.sh MSN SOURCE
# MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"
limit_s=400
use_ranks 1
expect "pack" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=4000&size=40&seed=1' --output "$work/data"
runs=$work/runs
mkdir "$runs"
for precision in fp32 bf16; do
  expect "$precision" 0 'done after step 200' "${mpirun[@]}" "$msn" train "$config" --data "$work/data" --device cuda \
    --set train.precision=$precision --set train.global_batch=128 --max-steps 200 --run "$runs/$precision"
  grep -o '"cross_entropy": *[0-9.e+-]*' "$runs/$precision/metrics.jsonl" | sed 's/.*: *//' >"$work/$precision"
done
case_name="cross-entropy"
prototypes=$(sed -n 's/^prototypes = //p' "$runs/fp32/config.toml")
paste "$work/fp32" "$work/bf16" | awk -v k="$prototypes" '
  { a += $1; b += $2 }
  NR % 20 == 0 {
    a /= 20; b /= 20
    limit = 0.01 * (log(k) - a) + 0.01
    difference = a > b ? a - b : b - a
    printf "steps to %d: float32 %.4f, bfloat16 %.4f, %.2f of the limit\n", NR, a, b, difference / limit
    if (difference > limit) bad = 1
    a = b = 0
  }
  END { exit bad || NR != 200 }' || complain "bfloat16 is further from float32 than allowed"
finish
