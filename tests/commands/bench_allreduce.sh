#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn bench allreduce`: bench_allreduce.sh MSN MPIRUN...
msn=$1
shift
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"
limit_s=40  # Two ranks that look at each other, on a machine that may be busy.

expect "two ranks" 0 '"command":"bench allreduce","ranks":2,"rates":\[\{"bytes":1024,"way":"shared memory","seconds":' \
  "${mpirun[@]}" "$msn" bench allreduce --max 64KiB --repeats 2 --json
expect_lines 12 '^ +(1|4|16|64) KiB  (shared memory|messages|MPI_Allreduce) .*[0-9]'
expect "one path" 0 '^ +256 KiB  messages ' "${mpirun[@]}" "$msn" bench allreduce --min 256KiB --max 256KiB --path messages
expect_lines 0 'shared memory'
expect "alone" 2 '^msn: error: one rank has nothing to sum' "$msn" bench allreduce --max 1KiB
expect "sizes the wrong way round" 2 '^msn: error: the sizes must be from 4 B to 4 GiB, the least first' \
  "${mpirun[@]}" "$msn" bench allreduce --min 2KiB --max 1KiB
expect "a path between GPUs" 2 '^msn: error: between GPUs there is one way to sum' \
  "${mpirun[@]}" "$msn" bench allreduce --device cuda --path shared
expect "no size" 2 '^msn: error: ' "$msn" bench allreduce --max much
finish
