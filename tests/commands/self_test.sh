#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn --self-test`: self_test.sh MSN MPIRUN...   (two ranks)
msn=$1
shift
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"
limit_s=40  # Two ranks that look at each other, on a machine that may be busy.
folder=$work/runs
mkdir "$folder"

# An empty folder must be left by every test, whatever became of it.
nothing_left() {
  left=$(find "$folder" -mindepth 1)
  [ -z "$left" ] || complain "left in the folder: $left"
}

expect "mpi alone" 0 '^mpi: fit' "$msn" --self-test mpi --run "$folder"
expect_lines 1 '^  launcher +none$'
expect_lines 1 '^  ranks +1 rank on 1 host$'
expect_lines 0 'shared memory|messages'
nothing_left
expect "mpi" 0 '^mpi: fit' "${mpirun[@]}" "$msn" --self-test mpi --run "$folder" --json
expect_lines 1 "^  launcher +Open MPI's mpirun"
expect_lines 1 '^  ranks +2 ranks on 1 host$'
expect_lines 2 '^  (shared memory|messages) +right; a sum of 1 KiB takes [0-9.]+ (us|ms|s), of 4 MiB .* bus GB/s'
expect_lines 1 "^  folder +$folder: one and the same"
expect_lines 1 '^\{"command":"self-test","test":"mpi","ranks":2,"facts":\{"msn":.*"MPI":"Open MPI.*"warnings":\['
nothing_left
expect "hdf5" 0 '^hdf5: fit' "${mpirun[@]}" "$msn" --self-test hdf5 --run "$folder"
expect_lines 1 '^  HDF5 +1\.'
expect_lines 1 '^  file system +[^ ]'
expect_lines 1 '^  times +made in .* fsync [0-9.]+ (us|ms|s), rename'
nothing_left
# The working directory, which is as good as another.
expect "hdf5 alone" 0 '^hdf5: fit' env -C "$folder" HDF5_USE_FILE_LOCKING=FALSE "$msn" --self-test hdf5
expect_lines 1 '^  file locking +off$'
expect_lines 1 "^  folder +$folder\$"
nothing_left

expect "cores that ranks share" 0 '^mpi: fit, with [12] warning' \
  taskset -c "$(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')" "${mpirun[@]}" --bind-to none "$msn" --self-test mpi --run "$folder"
expect_lines 1 '^  warning +more compute threads than cores: 2 ranks of host .* on 1 core'

# srun without PMIx starts every task as a world of its own.
expect "singletons" 2 '^msn: error: srun started 2 ranks, but MPI sees one \(launch\): use the mpirun .*srun --mpi=pmix' \
  env SLURM_PROCID=0 SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 "$msn" --self-test mpi --run "$folder"
expect_lines 1 '^msn: '
# Root may write anywhere but into the kernel's own folders.
expect "a folder that cannot be written to, on two ranks" 74 '^msn: error: the folder cannot be written to: .*/sys' \
  "${mpirun[@]}" "$msn" --self-test mpi --run /sys
expect_lines 1 '^msn: '
expect "a folder that cannot be written to" 74 '^msn: error: no HDF5 file can be made here: .*/sys' \
  "$msn" --self-test hdf5 --run /sys
for test in mpi hdf5; do
  expect "$test in no folder" 74 "^msn: error: .*$folder/none" "$msn" --self-test $test --run "$folder/none"
  expect_lines 1 '^msn: '
done
expect "gpu without one" 78 '^msn: error: (this msn was built without CUDA|no device was found).*--device cuda' \
  env CUDA_VISIBLE_DEVICES= "${mpirun[@]}" "$msn" --self-test gpu
expect_lines 1 '^msn: '
expect "no such test" 2 '^msn: error: .*network not in \{mpi,hdf5,gpu\}' "$msn" --self-test network
expect "no test" 2 '^msn: error: ' "$msn" --self-test
expect "beside a command" 2 '^msn: error: .*--self-test.*inspect' "$msn" --self-test mpi inspect "$folder"
expect "its options without it" 2 '^msn: error: .*--run requires --self-test' "$msn" --run "$folder" inspect "$folder"
expect "no command" 2 '^msn: error: A subcommand is required' "$msn"
finish
