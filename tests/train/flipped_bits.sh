#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One bit that flips in the memory of one rank is found by the comparison of the replicas, which names the rank and the
# tensor: flipped_bits.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=30  # Of one command on a busy machine.
pack_tiny
runs=$work/$marker  # In the command lines, so that a process that is left is found.
mkdir "$runs"

flipped() { # WHERE RANK EVERY PATTERN: a bit flips after 3 steps; replicas are compared every EVERY steps.
  expect "a bit in $1 of rank $2" 77 "^msn: error: $4" env "MSN_TEST_INJECT=flip-$1-3:$2:damage" \
    "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$runs/$1-$2" --max-steps 8 \
    --set "train.check_replicas_every=$3" --set checkpoint.every_steps=2
  expect_lines 1 '^msn: '
  case_name="checkpoints of the run with a bit in $1"
  [ "$(cat "$runs/$1-$2/checkpoints/latest")" = step-00000002 ] || complain "not of the step before"
}

use_ranks 2
tensor='blocks\.0\.attn\.qkv\.weight after step 3 \(host '
flipped weights 1 1 "rank 1 differs from rank 0 in online\.$tensor"
flipped ema 1 1 "rank 1 differs from rank 0 in target\.$tensor"
flipped prototypes 1 1 'rank 1 differs from rank 0 in online\.prototypes after step 3 \(host '
flipped exp-avg 1 1 "rank 1 differs from rank 0 in adam\.exp_avg\.$tensor"
flipped exp-avg-sq 1 1 "rank 1 differs from rank 0 in adam\.exp_avg_sq\.$tensor"
flipped buffers 1 1 'rank 1 differs from rank 0 in target\.fc\.bn1\.running_var after step 3 \(host '
# Before the next checkpoint at the latest; of three ranks the two that are equal are right.
use_ranks 3
tiny+=(--set train.global_batch=9)
flipped exp-avg 0 0 'rank 0 differs from rank 1 in .* after step 4 \(host '
finish
