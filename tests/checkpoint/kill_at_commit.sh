#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Commands are put together as words without spaces.
# shellcheck disable=SC2046
# Kills a rank at every labelled point of the checkpoint's commit; afterwards the newest whole checkpoint is the right one
# and the next write leaves nothing behind: kill_at_commit.sh PROGRAM MPIRUN...   (MPIRUN: for 2 ranks)
program=$1
shift
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"

run=$work/run
write() { echo "${mpirun[@]}" "$program" write --marker "$marker" --run "$run" "$@"; }
# Without a launcher, which is quick, where another number of ranks is as good.
write_alone() { echo "$program" write --marker "$marker" --run "$run" "$@"; }
newest() { echo "$program" newest --marker "$marker" --run "$run"; }
mkdir "$run"
expect "first checkpoint" 0 "" $(write_alone --step 10 --seed 10)
mv "$run" "$work/first"
begin() {
  rm -rf "$run"
  cp -r "$work/first" "$run"
}

# names EXPECTED...: the entries of the checkpoints folder.
names() {
  local got
  got=$(find "$run/checkpoints" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | xargs)
  [ "$got" = "$*" ] || complain "checkpoints holds '$got', expected '$*'"
}

# killed WRITE POINT RANK FOUND: a kill there while WRITE, one of the two above, writes step 20; FOUND is what the loader
# finds then.
killed() {
  local writes=$1 what="kill rank $3 at $2"
  shift
  begin "$what"
  expect "$what" 137 "" env MSN_TEST_INJECT="$1:$2:kill" $($writes --step 20 --seed 20)
  expect "$what: newest" 0 "^newest $3\$" $(newest)
  expect "$what: next write" 0 "" $(write_alone --step 30 --seed 30)
  expect "$what: newest then" 0 '^newest 30 first$' $(newest)
  case $3 in 10*) names latest step-00000010 step-00000030 ;; *) names latest step-00000010 step-00000020 step-00000030 ;; esac
}

for point in swept copied begun opened half filled synced manifest aside; do
  killed write_alone "checkpoint-$point" 0 "10 first"
done
for point in copied half synced; do killed write "checkpoint-$point" 1 "10 first"; done
for point in gathered manifest; do killed write "checkpoint-$point" 0 "10 first"; done
for point in published latest; do killed write_alone "checkpoint-$point" 0 "20 first"; done

# The same step again with other content: until the new one has its name, the old one is found.
replaced() {
  local what="kill at $1 while a step is replaced"
  begin "$what"
  expect "$what" 137 "" env MSN_TEST_INJECT="$1:0:kill" $(write_alone --step 10 --seed 1010)
  expect "$what: newest" 0 "^newest 10 $2\$" $(newest)
  expect "$what: again" 0 "" $(write_alone --step 10 --seed 1010)
  expect "$what: newest then" 0 "^newest 10 second\$" $(newest)
  names latest step-00000010
}
replaced checkpoint-manifest first
replaced checkpoint-aside first
replaced checkpoint-published second
replaced checkpoint-latest second

# An error instead of a death: everything is undone at once.
begin "error"
for point in opened:0 half:1 manifest:0 published:0; do
  expect "error at $point" 74 '^msn: error: a fault was injected' env MSN_TEST_INJECT="checkpoint-$point:throw" \
    $(write --step 20 --seed 20)
  expect_lines 1 '^msn: error'
  names latest step-00000010
  expect "error at $point, replacing" 74 '' env MSN_TEST_INJECT="checkpoint-$point:throw" \
    $(write --step 10 --seed 1010)
  names latest step-00000010
  expect "error at $point: newest" 0 '^newest 10 first$' $(newest)
done

# A death while what failed is removed.
begin "discard"
expect "kill in discard" 137 "" \
  env MSN_TEST_INJECT=checkpoint-half:1:throw,checkpoint-discard:0:kill $(write --step 20 --seed 20)
expect "kill in discard: newest" 0 '^newest 10 first$' $(newest)
expect "kill in discard: next write" 0 "" $(write_alone --step 30 --seed 30)
names latest step-00000010 step-00000030

# A death while an old checkpoint is deleted.
begin "retention"
expect "kill in retention" 137 "" env MSN_TEST_INJECT=retention-renamed:0:kill $(write_alone --step 20 --seed 20 --keep 1)
expect "kill in retention: newest" 0 '^newest 20 first$' $(newest)
expect "kill in retention: next write" 0 "" $(write_alone --step 30 --seed 30 --keep 2)
names latest step-00000020 step-00000030
finish
