#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Slurm: a chain of ten jobs, one after the other, each of which goes on where the last one stopped; takes no right to
# requeue. What is left of the chain ends at once when the run is done. By hand: copy it, edit what stands before
# "end of settings", and sbatch it from the run's folder. msn-launch --array 10 writes those lines by itself.
#SBATCH --job-name=msn
#SBATCH --output=job-%A.log
#SBATCH --open-mode=append
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --gpus-per-node=8
#SBATCH --time=12:00:00
#SBATCH --signal=USR2@300
#SBATCH --array=1-10%1

# module load openmpi
directory=$HOME/project
launch=$directory/msn/launch
run=runs/a
start=(srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=12 --cpu-bind=cores --gpu-bind=none)
program=("$directory/msn/build/cuda/msn")
arguments=(train configs/vit_s16.toml --data data/photos --run "$run" --device cuda)
options=(--chain)
# ---- end of settings ----

cd "$directory" || exit 2
exec "$launch/run-job" --scheduler slurm --run "$run" "${options[@]}" -- "${start[@]}" -- "${program[@]}" -- "${arguments[@]}"
