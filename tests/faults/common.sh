# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the fault tests; sourced. Callers set `mpirun` (an array) and call expect and finish.

limit_s=15       # Longest time from the fault to the end of the job.
leave_s=2        # Longest time from there until its last process is gone.
marker="msn-fault-$$-$RANDOM"
failures=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

complain() {
  echo "FAIL $case_name: $*"
  sed 's/^/    | /' "$work/err" "$work/out"
  failures=$((failures + 1))
}

# leftovers: processes of this test that are still there. The pattern comes from a file, so that grep does not find itself.
echo "$marker" >"$work/marker"
leftovers() {
  (cd "$work" && grep -lsaF -f marker /proc/[0-9]*/cmdline) | cut -d/ -f3
}

# objects: what jobs keep outside of processes: shared memory, and the session folders of Open MPI.
objects() {
  find /dev/shm -mindepth 1 -maxdepth 1 2>/dev/null
  find "${TMPDIR:-/tmp}" -mindepth 2 -maxdepth 2 -path '*/ompi.*/pid.*' 2>/dev/null
}

# litter: objects that were not there before the last command and that no process uses: other jobs' are in use.
litter() {
  local object
  objects | sort | comm -13 "$work/objects" - | while read -r object; do
    case $object in
      */pid.*) [ -d "/proc/${object##*.}" ] || echo "$object" ;;
      *) grep -qsF -- "$object" /proc/[0-9]*/maps || [ ! -e "$object" ] || echo "$object" ;;
    esac
  done
}

# expect NAME CODE PATTERN COMMAND...: the command ends in time with CODE; PATTERN (extended, may be empty) is in its
# output; no process of it is left, no shared memory and no session folder.
expect() {
  case_name=$1
  local code=$2 pattern=$3 started got took left
  shift 3
  objects | sort >"$work/objects"
  started=$SECONDS
  timeout -k 5 60 "$@" >"$work/out" 2>"$work/err"
  got=$?
  took=$((SECONDS - started))
  [ "$got" -eq "$code" ] || complain "exit code $got, expected $code"
  [ "$took" -le "$limit_s" ] || complain "took $took s, limit $limit_s s"
  echo "ran $case_name: code $got, $took s"
  if [ -n "$pattern" ] && ! cat "$work/out" "$work/err" | grep -Eq -- "$pattern"; then complain "no '$pattern' in the output"; fi
  for ((took = 0; took < leave_s * 10; took++)); do
    left=$(leftovers)
    [ -n "$left" ] || break
    sleep 0.1
  done
  if [ -n "$left" ]; then
    complain "processes left: $left"
    # shellcheck disable=SC2086
    kill -9 $left
  fi
  left=$(litter)
  if [ -n "$left" ]; then
    sleep 1  # Of another job, which has made it and not yet opened it, or is about to remove it.
    left=$(litter)
    [ -z "$left" ] || complain "left behind: $left"
  fi
}

# expect_lines COUNT PATTERN: of the last command's output.
expect_lines() {
  local got
  got=$(cat "$work/out" "$work/err" | grep -Ec -- "$2")
  [ "$got" -eq "$1" ] || complain "$got lines match '$2', expected $1"
}

finish() {
  [ "$failures" -eq 0 ] || { echo "$failures expectations failed"; exit 1; }
}
