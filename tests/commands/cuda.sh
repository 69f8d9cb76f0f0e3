#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The program built with CUDA, where it sees no GPU: cuda.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"
use_ranks 2
export CUDA_VISIBLE_DEVICES=  # A machine with GPUs hides them.

expect "version" 0 '^GPU +CUDA [0-9]+' "$msn" --version
expect_lines 1 '^NCCL +2\.'
expect_lines 1 '^  NCCL +2\.[0-9]+\.[0-9]+$'
expect_lines 1 '^  CUDA +[0-9]+\.[0-9]+$'

pack_tiny
run=("$msn" train "$config" "${tiny[@]}" "${data[@]}" --max-steps 2)
none='^msn: error: no device was found: (there is no NVIDIA driver|the NVIDIA driver shows none with CUDA_VISIBLE_DEVICES="")'
expect "cuda" 78 "$none.*\\(--device cuda.*use --device cpu\$" "${run[@]}" --device cuda --run "$work/cuda"
expect_lines 1 '^msn: '
expect "cuda on two ranks" 78 "$none.*rank 0 of 2" "${mpirun[@]}" "${run[@]}" --device cuda --run "$work/cuda"
expect_lines 1 '^msn: '
case_name="run folder"
[ ! -e "$work/cuda" ] || complain "a run folder was made"

expect "auto" 0 'done after step 2 of' "${mpirun[@]}" "${run[@]}" --run "$work/auto"
expect_lines 1 'starting on 2 ranks .* cpu, MPI'
expect_lines 0 'stay idle'
finish
