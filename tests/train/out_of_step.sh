#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A rank that leaves out a collective is named, and the job ends at once: out_of_step.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
train=("${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" --set data.input=synthetic --set runtime.bucket_mib=0.02 --max-steps 3)

one='rank 1 of 2 \(host [^)]*\) called sum of'
other='as collective [0-9]+ where rank 0 of 2 \(host [^)]*\) called sum of'
expect "a Sinkhorn sum left out" 70 "$one [0-9]+ float64 \"batch norm backward\" $other 16 float64 \"Sinkhorn\"" \
  env MSN_TEST_INJECT=collective-Sinkhorn:1:damage "${train[@]}" --run "$work/sinkhorn"
expect_lines 1 '^msn: error'
expect "a bucket left out" 70 "$one [0-9]+ float32 \"gradients 3\" $other [0-9]+ float32 \"gradients 2\"" \
  env "MSN_TEST_INJECT=collective-gradients 2:1:damage" "${train[@]}" --run "$work/bucket"
expect_lines 1 '^msn: error'
finish
