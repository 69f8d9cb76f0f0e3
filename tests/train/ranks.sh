#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One rank with 8 images a step, two with 4, four with 2: the same samples in every global batch, so the same losses to
# rounding, and the same k-NN result. A profile of the run on two changes nothing: ranks.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=60  # Four ranks on two cores.
pack_tiny

for ranks in 1 2 4; do
  use_ranks "$ranks"
  profile=()
  [ "$ranks" != 2 ] || profile=(--profile 2)
  expect "train on $ranks" 0 "done after step 20" \
    "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --set optim.warmup_epochs=2 --set train.epochs=9 \
    --set train.precision=fp64 --run "$work/$ranks" --max-steps 20 "${profile[@]}"
  expect "evaluate on $ranks" 0 "top-1" "${mpirun[@]}" "$msn" eval knn --run "$work/1" --train "$work/data" \
    --test "$work/data" --k 5 --json
  sed -n 's/.*"top1":\([0-9.]*\).*/\1/p' "$work/out" >"$work/top1-$ranks"
done

case_name="the profile of two ranks"
traces=$(cd "$work/2/profile" && ls)
[ "$traces" = rank-0000-steps-00000011-00000012.json ] || complain "other files: $traces"
for name in 'step 11' 'step 12' data forward backward reduce update product attention gradient_sum optimizer; do
  grep -q "\"name\": \"$name\"" "$work/2/profile/"*.json || complain "no range $name"
done
[ ! -e "$work/1/profile" ] || complain "a profile that nobody asked for"

# differs FILE FILE LIMIT: prints the largest relative difference of the losses if it is above LIMIT.
differs() {
  paste <(sed 's/.*"loss":\([-0-9.e]*\).*/\1/' "$1") <(sed 's/.*"loss":\([-0-9.e]*\).*/\1/' "$2") |
    awk -v limit="$3" '{d = ($1 - $2) / $2; if (d < 0) d = -d; if (d > worst) worst = d; n++}
      END {if (n != 20 || worst > limit) print "worst " worst " of " n " losses"}'
}
for ranks in 2 4; do
  case_name="losses on $ranks ranks"
  problem=$(differs "$work/$ranks/metrics.jsonl" "$work/1/metrics.jsonl" 1e-6)
  [ -z "$problem" ] || complain "$problem"
  case_name="k-NN on $ranks ranks"
  cmp -s "$work/top1-$ranks" "$work/top1-1" || complain "another top-1"
  [ -s "$work/top1-$ranks" ] || complain "no top-1"
done
finish
