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

# srun without PMIx starts three processes at once, each a world of its own. One speaks, all end with 2.
cat >"$work/singletons" <<'END'
jobs=() codes=
for rank in 0 1 2; do
  env "${@//@/$rank}" &
  jobs+=($!)
done
for job in "${jobs[@]}"; do
  wait "$job"
  codes+=$?
done
echo "codes $codes"
END
slurm=(SLURM_JOB_ID=7 SLURM_JOBID=7 SLURM_STEP_ID=0 SLURM_STEPID=0 SLURM_PROCID=@ SLURM_LOCALID=@ SLURM_NODEID=0 SLURM_NTASKS=3
  SLURM_STEP_NUM_TASKS=3 SLURM_NNODES=1 SLURM_NODELIST=n1 SLURM_STEP_NODELIST=n1 SLURM_TASKS_PER_NODE=3)
expect "srun without PMIx" 0 '^codes 222$' bash "$work/singletons" "${slurm[@]}" "$msn" --self-test mpi --run "$folder"
expect_lines 1 '^msn: error: srun started 3 ranks (without PMIx, which this Open MPI needs|, but MPI sees one) \(launch\): .*srun --mpi=pmix'
expect_lines 2 .  # That, and the codes.
# Nor may a shell of salloc start it by hand: an Open MPI that would not mind, as version 5, has it run.
# shellcheck disable=SC2016  # for sh
expect "a shell in an interactive step of Slurm" 0 \
  '^(msn: error: this process was started in an interactive step of Slurm without PMIx, .* \(launch\): .*or mpirun|mpi: fit)' \
  sh -c '"$@"; code=$?; [ $code -ne 2 ] || code=0; exit $code' "$work/either" \
  env SLURM_JOBID=7 SLURM_STEP_ID=4294967290 SLURM_NODELIST=n1 "$msn" --self-test mpi --run "$folder"
expect "mpirun of another MPI" 2 '^msn: error: a PMI launcher started 3 ranks, but MPI sees one \(launch\): use the mpirun of the MPI that' \
  env PMI_RANK=0 PMI_SIZE=3 "$msn" --self-test mpi --run "$folder"
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
