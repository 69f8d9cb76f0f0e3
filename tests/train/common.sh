# SPDX-License-Identifier: Apache-2.0
# Shared by the tests that run the real program; sourced with MSN SOURCE MPIRUN... as arguments, where MPIRUN has the word
# RANKS in place of the number of ranks.

msn=$1
source_dir=$2
shift 2
mpirun_template=("$@")
# shellcheck source=tests/faults/common.sh
. "$source_dir/tests/faults/common.sh"

unset MSN_JOB_END SLURM_JOB_END_TIME  # The end of the job that runs the tests is not that of their runs.

# What a process of this test has in its command line.
marker=$work/

# use_ranks N: sets `mpirun` to start N ranks.
use_ranks() {
  mpirun=("${mpirun_template[@]/RANKS/$1}")
}

refusal='^msn: error'  # Where other programs refuse, or msn stops, a test says so.
refused() { # NAME CODE PATTERN COMMAND...: and exactly one line of error.
  expect "$@"
  expect_lines 1 "$refusal"
}

same() { # NAME FILE FILE
  case_name=$1
  cmp -s "$2" "$3" || complain "$2 and $3 differ"
}

# A network that takes a second to train, and the data for it.
data=(--data "$work/data")
tiny=(--set train.global_batch=8 --set train.epochs=2 --set model.width=32 --set model.depth=2
  --set model.heads=2 --set model.head_hidden=32 --set model.head_out=16 --set model.prototypes=16 --set views.focal=2
  --set checkpoint.every_steps=10 --set checkpoint.keep=4 --set optim.warmup_epochs=1)
config=$source_dir/configs/quickstart.toml

pack_tiny() {
  expect "pack" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=96&size=40&seed=1' --output "$work/data"
}
