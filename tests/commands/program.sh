#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The program's own flags and `inspect`, on two ranks: program.sh MSN WRITER MPIRUN...   (WRITER: checkpoint_program)
msn=$1
writer=$2
shift 2
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"

expect "version" 0 '^LibTorch +[0-9]' "${mpirun[@]}" "$msn" --version
expect_lines 1 '^msn +[0-9]'
expect_lines 1 '^  HDF5 +[0-9]'
expect "help" 0 '^  inspect ' "${mpirun[@]}" "$msn" --help
expect_lines 1 '^  inspect '
mkdir "$work/run"
expect "checkpoint" 0 "" "$writer" write --run "$work/run" --step 20 --seed 20
expect "inspect a checkpoint" 0 '^step: 20$' "${mpirun[@]}" "$msn" inspect "$work/run/checkpoints/step-00000020"
expect_lines 1 '^step: 20$'
expect "inspect a run" 0 '^\{.*"kind":"run","latest":20,.*\}$' "${mpirun[@]}" "$msn" inspect "$work/run" --json
expect "inspect nothing" 74 '^msn: error: there is nothing here \(/nowhere\): check the path$' \
  "${mpirun[@]}" "$msn" inspect /nowhere
expect_lines 1 '^msn: error'
expect "inspect something else" 74 '^msn: error: neither a data set, a checkpoint nor a run folder' "$msn" inspect /
finish
