#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Staged copies, the cache in memory, the blockwise order and several data sets: data_sets.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=60
use_ranks 2
pack_tiny
tiny+=(--set optim.warmup_epochs=2 --set train.epochs=9)
expect "pack more" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=40&size=40&seed=9' --output "$work/more"

train() { # CASE CODE PATTERN RUN ARGUMENTS...
  local name=$1 code=$2 pattern=$3 run=$4
  shift 4
  expect "$name" "$code" "$pattern" "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" --run "$work/$run" --max-steps 15 "$@"
}
losses() { sed 's/.*"loss":\([-0-9.e]*\).*/\1/' "$work/$1/metrics.jsonl"; }
same_losses() { # RUN RUN
  case_name="losses of $1 and $2"
  [ "$(losses "$1" | wc -l)" -eq 15 ] || complain "not one a step"
  cmp -s <(losses "$1") <(losses "$2") || complain "they differ"
}

train "plain" 0 "done" plain "${data[@]}"
train "staged" 0 "staging 0\.0. GiB of $work/data" staged "${data[@]}" --set "data.staging=$work/stage"
expect_lines 1 "reading the staged copy $work/stage/msn-"
same_losses plain staged
mv "$work/data" "$work/elsewhere"
train "staged before" 0 "done" again --data "$work/elsewhere" --set "data.staging=$work/stage"
expect_lines 0 " staging "
same_losses plain again
train "cached" 0 "keeping encoded images in memory" cached --data "$work/elsewhere" --set data.cache=ram
same_losses plain cached
train "no place for a copy" 74 'cannot make the staging folder.*/dev/null/x' none --data "$work/elsewhere" --set data.staging=/dev/null/x
expect_lines 1 '^msn: error'
train "blockwise" 0 "done" blockwise --data "$work/elsewhere" --set data.order=blockwise --set data.block=4 --set data.window=3
case_name="another order"
! cmp -s <(losses plain) <(losses blockwise) || complain "the same losses as shuffled"

synthetic=(--set data.input=synthetic --set data.epoch_images=96)
train "made-up numbers" 0 'warning .*made-up numbers' made-up "${synthetic[@]}"
train "the same again" 0 "done" made-up-again "${synthetic[@]}"
same_losses made-up made-up-again
! cmp -s <(losses plain) <(losses made-up) || complain "the same losses as on images"
train "images after made-up numbers" 78 'data\.input was .*--force-resume data\.input' made-up --data "$work/elsewhere"
expect "dry run on made-up numbers" 0 '^images +96, made up' "$msn" train "$config" "${tiny[@]}" "${synthetic[@]}" --dry-run

# Three quarters of the draws from one set, a quarter from the other.
cat >"$work/sets.toml" <<TEXT
[[data.set]]
path = "$work/elsewhere"
weight = 3
[[data.set]]
path = "$work/more"
weight = 1
std = [0.3, 0.3, 0.3]
TEXT
sed '/^path = /d' "$config" | cat - "$work/sets.toml" >"$work/two.toml"
config=$work/two.toml
for ranks in 1 2; do
  use_ranks "$ranks"
  train "two sets on $ranks" 0 "done" "two-$ranks" --set train.precision=fp64
  expect_lines 1 'data set 1 of 2: 102 of the 136 images of an epoch come from the 96 of '
  expect_lines 1 'data set 2 of 2: 34 of the 136 images of an epoch come from the 40 of '
done
case_name="two sets on 1 and 2 ranks"
problem=$(paste <(losses two-1) <(losses two-2) | awk '{d = ($1 - $2) / $2; if (d < 0) d = -d; if (d > worst) worst = d; n++}
  END {if (n != 15 || worst > 1e-6) print "worst " worst " of " n " losses"}')
[ -z "$problem" ] || complain "$problem"
train "go on" 0 "resuming after step 15" two-2 --set train.precision=fp64
mv "$work/more" "$work/moved"
sed -i 's|/more"|/moved"|' "$config"
train "the sets have moved" 0 "resuming after step 15" two-2 --set train.precision=fp64
sed 's/weight = 3/weight = 2/' "$config" >"$work/other.toml"
expect "other weights" 78 'data\.set was .*--force-resume data\.set' \
  "${mpirun[@]}" "$msn" train "$work/other.toml" "${tiny[@]}" --set train.precision=fp64 --run "$work/two-2"
expect "dry run" 0 '^images +136, drawn from 2 data sets' "$msn" train "$config" "${tiny[@]}" --dry-run
train "one instead of both" 78 'the configuration is not' two-2 --set train.precision=fp64 --data "$work/elsewhere"
finish
