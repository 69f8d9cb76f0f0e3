#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# No scheduler, or inside an allocation: trains here and now. By hand: copy it, edit what stands before "end of settings",
# and run it with bash; Ctrl-C stops with a checkpoint. msn-launch --scheduler mpirun writes those lines by itself.

# module load openmpi
directory=$HOME/project
launch=$directory/msn/launch
run=runs/a
start=(mpirun -n 16 --hostfile hosts --map-by ppr:8:node:PE=12 --bind-to core)
program=("$directory/msn/build/cuda/msn")
arguments=(train configs/vit_s16.toml --data data/photos --run "$run" --device cuda)
options=()
# ---- end of settings ----

cd "$directory" || exit 2
# Ranks on other hosts are started by ssh, without what modules have set.
for name in PATH LD_LIBRARY_PATH Torch_ROOT MSN_JOB_END; do
  [[ -z ${!name:-} ]] || start+=(-x "$name")
done
exec "$launch/run-job" --scheduler mpirun --run "$run" "${options[@]}" -- "${start[@]}" -- "${program[@]}" -- "${arguments[@]}"
