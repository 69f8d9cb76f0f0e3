# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share. Sourced, never run.

# shellcheck disable=SC2034  # for those who source this
MSN_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly MSN_ROOT
MSN_SCRIPT="launch/$(basename "$0")"
readonly MSN_SCRIPT

# Open MPI refuses to start for root unless told twice; in a container root is the usual user.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

say() {
  echo "$MSN_SCRIPT: $*"
}

# fail CODE TEXT: one line, what and what to do, and the end of the script.
fail() {
  local code=$1
  shift
  echo "$MSN_SCRIPT: error: $*" >&2
  exit "$code"
}

# cores: how many this process may use. nproc alone would obey OMP_NUM_THREADS, which is for the tests' own threads.
cores() {
  env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc
}
