#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images that turn out bad while a run is under way: replaced the same on any number of ranks, counted, named, and too
# many end the run on all ranks with a checkpoint: bad_samples.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=60  # Four ranks on two cores.
pack_tiny

# Zeros over the bytes of an image or two, far behind the shard's index.
shard=$(find "$work/data" -name '*.h5')
size=$(stat -c %s "$shard")
for percent in 40 80; do
  dd if=/dev/zero of="$shard" bs=1 count=64 seek=$((size * percent / 100)) conv=notrunc status=none
done

train() { # CASE CODE PATTERN RUN ARGUMENTS...
  local name=$1 code=$2 pattern=$3 run=$4
  shift 4
  expect "$name" "$code" "$pattern" "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" \
    --set train.global_batch=12 --set train.precision=fp64 --set optim.warmup_epochs=2 --set train.epochs=9 --run "$work/$run" "$@"
}

for ranks in 1 2 3 4; do
  use_ranks "$ranks"
  train "train on $ranks" 0 "^[1-9][0-9]* bad samples were replaced" "$ranks" --set data.max_bad=0.1 --max-steps 16
  sed -n 's/^.*rank [0-9]* of [0-9]*: bad \(sample.*\)$/\1/p' "$work/err" | sort >"$work/named-$ranks"
  sed 's/.*"bad_samples":\([0-9]*\).*/\1/' "$work/$ranks/metrics.jsonl" >"$work/counts-$ranks"
  case_name="bad samples on $ranks ranks"
  [ -s "$work/named-$ranks" ] || complain "none is named"
  [ "$(uniq -d "$work/named-$ranks" | wc -l)" -eq 0 ] || [ "$ranks" -gt 1 ] || complain "one is named twice"
  grep -q 'checksum is wrong; sample [0-9]* takes its place$' "$work/named-$ranks" || complain "without reason or replacement"
  sort -u -o "$work/named-$ranks" "$work/named-$ranks"
  cmp -s "$work/counts-$ranks" "$work/counts-1" || complain "other counts than on one rank"
  [ "$(wc -l <"$work/counts-$ranks")" -eq 16 ] || complain "not one count a step"
  case_name="losses on $ranks ranks"
  problem=$(paste <(sed 's/.*"loss":\([-0-9.e]*\).*/\1/' "$work/$ranks/metrics.jsonl") \
    <(sed 's/.*"loss":\([-0-9.e]*\).*/\1/' "$work/1/metrics.jsonl") |
    awk '{d = ($1 - $2) / $2; if (d < 0) d = -d; if (d > worst) worst = d; n++}
      END {if (n != 16 || worst > 1e-6) print "worst " worst " of " n " losses"}')
  [ -z "$problem" ] || complain "$problem"
done

use_ranks 3
train "more than allowed" 74 '^msn: error: [0-9]+ bad samples in epoch 0, data\.max_bad = 0 allows 0 \(sample [0-9]+ ' \
  few --set data.max_bad=0
expect_lines 1 '^msn: '
case_name="a checkpoint of the step with the bad image"
steps=$(wc -l <"$work/few/metrics.jsonl")
[ -f "$work/few/checkpoints/step-$(printf %08d "$steps")/manifest.json" ] || complain "no checkpoint of step $steps"
train "go on with more allowed" 0 "resuming after step $steps" few --set data.max_bad=0.1 --max-steps $((steps + 2))
finish
