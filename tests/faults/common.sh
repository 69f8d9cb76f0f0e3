# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the fault tests; sourced. Callers set `mpirun` (an array) and call expect and finish.

limit_s=15       # Longest time from the fault to the end of the job.
leave_s=2        # Longest time from there until its last process is gone.
may_leave=       # Pattern of the names of files that may stay.
marker="msn-fault-$$-$RANDOM"
failures=0
work=$(mktemp -d)
# Open MPI puts what it shares here, so that it is known whose it is.
shared_memory=$(mktemp -d /dev/shm/msn-faults-XXXXXX 2>/dev/null || mktemp -d)
mkdir "$work/session"
chmod 1777 "$work/session" "$shared_memory"  # Tests run commands as another user.
export OMPI_MCA_orte_tmpdir_base=$work/session
export OMPI_MCA_btl_vader_backing_directory=$shared_memory OMPI_MCA_osc_sm_backing_directory=$shared_memory
trap 'rm -rf "$work" "$shared_memory"' EXIT

complain() {
  echo "FAIL $case_name: $*"
  sed 's/^/    | /' "$work/err" "$work/out"
  failures=$((failures + 1))
}

# leftovers: processes of this test that are still there: those with $marker in their command line. The pattern comes
# from the input, so that grep does not find itself.
leftovers() {
  grep -lsaF -f - /proc/[0-9]*/cmdline <<<"$marker" | cut -d/ -f3
}

# litter: what jobs of this test have left outside of processes and may not: shared memory, and the session folders of
# Open MPI.
litter() {
  {
    find "$shared_memory" -mindepth 1
    find "$work/session" -mindepth 2 -maxdepth 2 -name 'pid.*' 2>/dev/null
  } | grep -Ev -- "${may_leave:-^$}"
}

# expect NAME CODE PATTERN COMMAND...: the command ends in time with CODE; PATTERN (extended, may be empty) is in its
# output; no process of it is left, no shared memory and no session folder.
expect() {
  case_name=$1
  local code=$2 pattern=$3 started got took left
  shift 3
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
    # The daemon of a rank that was started without mpirun goes, with its folder, just after it.
    [ -n "$left" ] || [ -n "$(litter)" ] || break
    sleep 0.1
  done
  if [ -n "$left" ]; then
    complain "processes left: $left"
    # shellcheck disable=SC2086
    kill -9 $left
  fi
  left=$(litter)
  if [ -n "$left" ]; then
    complain "left behind: $left"
    # shellcheck disable=SC2086
    rm -rf $left
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
