#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn bench input`: bench_input.sh MSN
msn=$1
. "$(dirname "$0")/../faults/common.sh"

expect "pack" 0 '^packed ' "$msn" pack --input 'synthetic:shapes?images=12&size=32' --output "$work/shapes"
views=(--set views.random_size=32 --set views.focal_size=16 --set model.patch_size=8 --set model.image_size=32)
expect "bench" 0 '"command":"bench input","kernels":"[A-Za-z0-9]+","images":12,"threads":2' \
  "$msn" bench input --data "$work/shapes" "${views[@]}" --threads 2 --json
expect_lines 6 '^    (decode|hue|blur|8-bit pixels|float32 patch rows) .*[0-9]'
expect "generic kernels, fewer images" 0 '^5 images, kernels generic, ' \
  "$msn" bench input --data "$work/shapes" "${views[@]}" --images 5 --kernels generic
expect "no data" 74 '^msn: error: no such data set folder \(/nowhere\)' "$msn" bench input --data /nowhere
expect "unknown key" 78 '^msn: error: unknown key' "$msn" bench input --data "$work/shapes" --set views.nothing=1
expect "nothing to measure" 2 '^msn: error: .*subcommand.*: see msn bench --help' "$msn" bench
finish
