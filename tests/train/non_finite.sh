#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A loss or a gradient that is not finite on one rank, under both policies, and the replay of such a step:
# non_finite.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=30  # Of one command on a busy machine.
use_ranks 2
pack_tiny
runs=$work/$marker  # In the command lines, so that a process that is left is found.
mkdir "$runs"
skip=(--set train.non_finite=skip)

train() { # CASE CODE PATTERN FAULTS RUN ARGUMENTS...
  local name=$1 code=$2 pattern=$3 faults=$4 run=$5
  shift 5
  expect "$name" "$code" "$pattern" env ${faults:+"MSN_TEST_INJECT=$faults"} \
    "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$runs/$run" "$@"
}
bundle() { # RUN STEP
  echo "$runs/$1/bundles/step-0000000$2.json"
}
# same_state RUN RUN STEP: the checkpoints' data files are equal byte for byte, and their manifests but for `written`.
same_state() {
  local a="$runs/$1/checkpoints/step-$3" b="$runs/$2/checkpoints/step-$3"
  case_name="$1 and $2 at step $3"
  cmp "$a/state-00000-of-00001.h5" "$b/state-00000-of-00001.h5" || complain "the data files differ"
  diff <(sed '/"written"/,/}/d; /"config"/d' "$a/manifest.json") <(sed '/"written"/,/}/d; /"config"/d' "$b/manifest.json") \
    >"$work/out" || complain "the manifests differ"
}
# newest RUN STEP: the run's newest checkpoint is of this step, and whole.
newest() {
  case_name="newest checkpoint of $1"
  [ "$(cat "$runs/$1/checkpoints/latest")" = "step-$2" ] || complain "it is $(cat "$runs/$1/checkpoints/latest")"
  [ "$(find "$runs/$1/checkpoints" -name 'step-*' | sort | tail -n 1)" = "$runs/$1/checkpoints/step-$2" ] || complain "there is a later one"
  "$msn" verify "$runs/$1/checkpoints/step-$2" >"$work/out" 2>&1 || complain "it is damaged"
}

# The default: end, with the last good state kept, and go on from there as if nothing had been.
train "no fault" 0 "done after step 10" "" straight --max-steps 10
train "loss of one rank" 77 '^msn: error: loss of rank 1 is nan in step 6 \(host .*/bundles/step-00000006\.json\): the newest checkpoint, of step 5,' \
  loss-5:1:damage lost
expect_lines 1 '^msn: '
newest lost 00000005
case_name="the status"
grep -q '"exit_code": 77' "$runs/lost/status.json" || complain "$(cat "$runs/lost/status.json")"
grep -q '"checkpoint": "step-00000005"' "$runs/lost/status.json" || complain "$(cat "$runs/lost/status.json")"
case_name="the step is not in the metrics"
[ "$(wc -l <"$runs/lost/metrics.jsonl")" -eq 5 ] || complain "other than 5 lines"
case_name="rights of the bundles"
[ "$(stat -c %a "$runs/lost/bundles")" = 750 ] || complain "others may read them"
cp -r "$runs/lost" "$runs/replayed"
train "go on" 0 "resuming after step 5" "" lost --max-steps 10
same_state straight lost 00000010

train "gradient of one rank" 77 '^msn: error: the gradient of blocks\.0\.attn\.qkv\.weight is not finite in step 6 \(.*/step-00000006\.json\): the newest checkpoint, of step 5,' \
  gradient-5:0:damage steep
expect_lines 1 '^msn: '
newest steep 00000005
train "the state cannot be saved" 77 'loss of rank 1 is nan in step 6 .* was not saved, because a fault was injected' \
  loss-5:1:damage,checkpoint-filled:0:throw unsaved
expect_lines 1 '^msn: '
case_name="no half checkpoint"
[ -z "$(ls -A "$runs/unsaved/checkpoints")" ] || complain "something is left"

# Run the step again: nothing in the run folder changes.
listing() { (cd "$runs/replayed" && find . -type f -exec sha256sum {} + | sort && find . -printf '%p %T@\n' | sort); }
listing >"$work/before"
replay=(--replay "$(bundle replayed 6)")
train "replay" 0 '^reproduced: loss of rank 1 is nan in step 6, as recorded$' loss-5:1:damage replayed "${replay[@]}" --json
expect_lines 1 '"first_step":5,"reproduced":true,"to_the_bit":true'
expect_lines 1 '^1 +nan '
train "replay without the fault" 77 '^msn: error: step 6 does not come out as recorded: loss of rank 1 is [0-9.]*, recorded nan, and' \
  "" replayed "${replay[@]}"
expect_lines 1 '^msn: '
train "replay of another configuration" 78 'another configuration' "" replayed "${replay[@]}" --set loss.me_max=2
train "replay beside --resume" 2 'resume' "" replayed "${replay[@]}" --resume never
expect "pack another" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=96&size=40&seed=3' --output "$work/other"
expect "replay with other data" 78 'another data set' \
  "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" --data "$work/other" --run "$runs/replayed" "${replay[@]}"
expect_lines 1 '^msn: '
head -c 300 "$(bundle replayed 6)" >"$work/torn.json"
train "replay of a torn bundle" 74 'not a bundle of a step.*torn\.json' "" replayed --replay "$work/torn.json"
sed 's/"epoch": 0/"epoch": 1/' "$(bundle replayed 6)" >"$work/changed.json"
train "replay of a changed bundle" 74 'do not fit together.*changed\.json' "" replayed --replay "$work/changed.json"
train "replay of no run" 74 'no such run folder' "" absent "${replay[@]}"
use_ranks 1
train "replay on one rank" 0 'rounding is promised: it had 2 ranks, here are 1' loss-5:0:damage replayed "${replay[@]}"
use_ranks 2
case_name="a replay writes nothing"
listing | cmp -s - "$work/before" || complain "the run folder is another"
[ ! -e "$runs/absent" ] || complain "a run folder was made"

# Not finite by itself, in the first step: there is no state to keep.
train "an absurd temperature" 77 "of ranks 0, 1 is not finite in step 1 .*: it is the run's first step; --replay" "" hot \
  --set loss.temperature=1e-39
case_name="no checkpoint of nothing"
[ -z "$(ls -A "$runs/hot/checkpoints")" ] || complain "there is one"
train "replay from the beginning" 0 '^reproduced: .* of ranks 0, 1 is not finite in step 1, as recorded$' "" hot \
  --set loss.temperature=1e-39 --replay "$(bundle hot 1)"

# Leave such steps out. A run that ends in between goes on to the same bits.
faults=loss-3:1:damage,gradient-6:0:damage
train "skip" 0 "done after step 10" "$faults" skipped "${skip[@]}" --max-steps 10
expect_lines 1 'warning skipping a step: loss of rank 1 is nan in step 4 .*; 1 skipped in a row, 1 in all'
expect_lines 1 'warning skipping a step: the gradient of blocks\.0\.attn\.qkv\.weight is not finite in step 7 .*; 1 skipped in a row, 2 in all'
case_name="metrics of a run with skipped steps"
[ "$(wc -l <"$runs/skipped/metrics.jsonl")" -eq 10 ] || complain "not one line a step"
[ "$(grep -c '"skipped":true' "$runs/skipped/metrics.jsonl")" -eq 2 ] || complain "not two marked"
grep -q '^{"step":4,"epoch":0,"loss":null,.*"skipped":true}$' "$runs/skipped/metrics.jsonl" || complain "step 4 is not null"
case_name="count of skipped steps"
grep -q '"skipped": 2,' "$runs/skipped/checkpoints/step-00000010/manifest.json" || complain "not in the manifest"
train "skip and stop" 0 "done after step 4" "$faults" parted "${skip[@]}" --max-steps 4
train "go on after a skipped step" 0 "resuming after step 4" "$faults" parted "${skip[@]}" --max-steps 10
same_state skipped parted 00000010
case_name="a skipped step changes the run"
! cmp -s "$runs/skipped/checkpoints/step-00000010/state-00000-of-00001.h5" \
  "$runs/straight/checkpoints/step-00000010/state-00000-of-00001.h5" || complain "the same state as without faults"

train "too many in a row" 77 '^msn: error: loss of rank 1 is nan in step 6, after 2 skipped steps in a row, train\.max_skipped_in_a_row = 2 ' \
  loss-value-3:1:damage,loss-value-4:0:damage,loss-value-5:1:damage often "${skip[@]}"
expect_lines 1 '^msn: '
expect_lines 2 'warning skipping a step'
newest often 00000005
case_name="a bundle for each"
[ "$(find "$runs/often/bundles" -name '*.json' | wc -l)" -eq 3 ] || complain "other than three"
train "go on after too many" 0 "resuming after step 5" "" often "${skip[@]}" --max-steps 10
finish
