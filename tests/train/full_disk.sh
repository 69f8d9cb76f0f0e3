#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A disk that is full while a run saves, and has room again: full_disk.sh MSN SOURCE MPIRUN...
# Needs root to mount a small file system in memory; ends with 125, which CTest counts as skipped, where it may not.
if [ -z "$MSN_TEST_OWN_MOUNTS" ]; then
  if ! unshare --mount sh -c 'mount -t tmpfs -o size=1m tmpfs /mnt' 2>/dev/null; then
    echo "SKIPPED: a small file system cannot be mounted here (it takes root)"
    exit 125
  fi
  MSN_TEST_OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
fi
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=30  # Of one command on a busy machine.
use_ranks 2
pack_tiny
disk=$work/$marker
mkdir -p "$disk"
mount -t tmpfs -o size=8m tmpfs "$disk" || exit 1
trap 'umount "$disk"; rm -rf "$work" "$shared_memory"' EXIT
run=$disk/run
train() { # NAME CODE PATTERN ARGUMENTS...
  local name=$1 code=$2 pattern=$3
  shift 3
  expect "$name" "$code" "$pattern" "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$run" \
    --set checkpoint.writers=2 --set checkpoint.every_steps=2 --set checkpoint.keep=2 "$@"
}
# fill KIB: leaves so much room.
fill() {
  rm -f "$disk/filler"
  local free
  free=$(df --output=avail -k "$disk" | tail -1)
  head -c $(((free - $1) * 1024)) /dev/zero >"$disk/filler"
}

train "room" 0 "" --max-steps 4
size=$(du -k "$run/checkpoints/step-00000004" | cut -f1)
# Room for the log and the metrics, but not for a checkpoint; somebody makes room when the log says so.
fill $((size / 2))
(
  while [ -e "$disk/filler" ]; do
    if grep -q 'is not saved' "$run/log.txt"; then rm "$disk/filler"; fi
    sleep 0.05
  done
) &
MSN_TEST_INJECT=step-12:1:sleep-2000 train "full for a while" 0 'step-00000006 is not saved: cannot write: No space left on device' \
  --max-steps 16 --set checkpoint.max_failed_in_a_row=9
rm -f "$disk/filler"
wait
case_name="after the disk had room again"
[ "$(find "$run/checkpoints" -mindepth 1 -printf '%f\n' | grep -c '^[.]')" -eq 0 ] || complain "something half-written is left"
[ "$(cat "$run/checkpoints/latest")" = step-00000016 ] || complain "latest names another"
[ -d "$run/checkpoints/step-00000014" ] || complain "the save before the last is missing"

fill $((size / 2))
train "full for good" 74 '^msn: error: 3 saves in a row failed, that of step 22 because: cannot write: No space left on device' \
  --set checkpoint.max_failed_in_a_row=2
[ "$(ls -A "$run/checkpoints" | xargs)" = "latest step-00000014 step-00000016" ] || complain "the checkpoints changed"
rm "$disk/filler"
train "room again" 0 'resuming after step 16'
finish
