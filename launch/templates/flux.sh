#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Flux: trains, stops in time, and submits itself again until the run is done. By hand: copy it to RUN/job.sh, edit
# what stands before "end of settings", and `flux batch job.sh` in RUN. msn-launch writes those lines by itself.
# flux: --job-name=msn
# flux: --output=job-{{id}}.log
# flux: --nodes=2
# flux: --nslots=2
# flux: --cores-per-slot=96
# flux: --gpus-per-slot=8
# flux: --time-limit=43200s
# flux: --signal=SIGUSR2@300s

MSN_JOB_END=$(($(date +%s) + 43140)) && export MSN_JOB_END
# module load openmpi
directory=$HOME/project
launch=$directory/msn/launch
run=runs/a
start=(flux run --nodes=2 --tasks-per-node=8 --cores=192 --gpus-per-node=8 -o cpu-affinity=per-task -o gpu-affinity=off)
program=("$directory/msn/build/cuda/msn")
arguments=(train configs/vit_s16.toml --data data/photos --run "$run" --device cuda)
options=(--requeue)
# ---- end of settings ----

options+=(--script "$PWD/job.sh")
cd "$directory" || exit 2
exec "$launch/run-job" --scheduler flux --run "$run" "${options[@]}" -- "${start[@]}" -- "${program[@]}" -- "${arguments[@]}"
