#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# PBS Professional, OpenPBS: trains, stops in time, and queues itself again until the run is done. By hand: copy it
# to RUN/job.sh, edit what stands before "end of settings", and `qsub job.sh` in RUN. msn-launch writes those lines by itself.
#PBS -N msn
#PBS -j oe
#PBS -l select=2:ncpus=96:mpiprocs=8:ngpus=8
#PBS -l place=scatter
#PBS -l walltime=12:00:00
#PBS -r y

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
# An Open MPI without PBS's tm starts ranks by ssh, on the hosts that it is told, without what modules have set.
if ! ompi_info 2>/dev/null | grep -q ': tm ('; then
  start+=(--hostfile "$PBS_NODEFILE")
  for name in PATH LD_LIBRARY_PATH Torch_ROOT MSN_JOB_END; do
    [[ -z ${!name:-} ]] || start+=(-x "$name")
  done
fi
options+=(--script "$PBS_O_WORKDIR/job.sh" --log "$PBS_O_WORKDIR/job-$PBS_JOBID.log")
exec "$launch/run-job" --scheduler pbs --run "$run" "${options[@]}" -- "${start[@]}" -- "${program[@]}" -- "${arguments[@]}"
