#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# LSF: trains, is warned five minutes before the end, and is queued again until the run is done. By hand: copy it, edit what
# stands before "end of settings", and `bsub < FILE` from the run's folder. msn-launch writes those lines by itself.
#BSUB -J msn
#BSUB -o job-%J.log
#BSUB -n 16
#BSUB -R "span[ptile=8]"
#BSUB -R "affinity[core(12)]"
#BSUB -gpu "num=8:mode=shared"
#BSUB -W 12:00
#BSUB -wa USR2
#BSUB -wt 5
#BSUB -r
#BSUB -Q 85

MSN_JOB_END=$(($(date +%s) + 43140)) && export MSN_JOB_END
# module load openmpi
directory=$HOME/project
launch=$directory/msn/launch
run=runs/a
start=(mpirun -n 16 --map-by ppr:8:node:PE=12 --bind-to core)
program=("$directory/msn/build/cuda/msn")
arguments=(train configs/vit_s16.toml --data data/photos --run "$run" --device cuda)
options=(--requeue)
# ---- end of settings ----

cd "$directory" || exit 2
exec "$launch/run-job" --scheduler lsf --run "$run" "${options[@]}" -- "${start[@]}" -- "${program[@]}" -- "${arguments[@]}"
