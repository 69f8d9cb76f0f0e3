# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the fault tests; sourced. Callers set `mpirun` (an array) and call expect and finish.

limit_s=15       # Longest time from the fault to the end of the job.
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
  grep -lsaF -f "$work/marker" /proc/[0-9]*/cmdline | cut -d/ -f3
}

# expect NAME CODE PATTERN COMMAND...: the command ends in time with CODE; PATTERN (extended, may be empty) is in its
# output; no process of it is left.
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
  if [ -n "$pattern" ] && ! cat "$work/out" "$work/err" | grep -Eq -- "$pattern"; then complain "no '$pattern' in the output"; fi
  sleep 0.2
  left=$(leftovers)
  if [ -n "$left" ]; then
    complain "processes left: $left"
    # shellcheck disable=SC2086
    kill -9 $left
  fi
  echo "ran $case_name: code $got, $took s"
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
