#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that is made to collapse is warned of, the quickstart's is not: collapse.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=60  # Of one command on a busy machine.
use_ranks 2
expect "pack" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=640&seed=1' --output "$work/data"

train() { # NAME RUN STEPS ARGUMENTS...
  local name=$1 run=$2 steps=$3
  shift 3
  expect "$name" 0 "done after step $steps of" "${mpirun[@]}" "$msn" train "$config" "${data[@]}" --run "$work/$run" \
    --max-steps "$steps" "$@"
}
# of_steps RUN EXPRESSION: what Python makes of an expression over `steps`, the lines of the run's metrics.
of_steps() {
  python3 -c 'import json, sys
steps = [json.loads(line) for line in open(sys.argv[1])]
print(eval(sys.argv[2]))' "$work/$1/metrics.jsonl" "$2"
}
holds() { # RUN EXPRESSION
  [ "$(of_steps "$1" "$2")" = True ] || complain "not so: $2"
}

# Nothing keeps the images apart, and the steps are large.
collapsing=(--set train.global_batch=32 --set model.width=32 --set model.depth=2 --set model.head_out=16
  --set loss.me_max=0 --set loss.sinkhorn=0 --set 'optim.lr=[1e-2,1e-2,1e-2]')
train "collapse" collapsed 130 "${collapsing[@]}"
expect_lines 1 ' warning steps [0-9]+ to [0-9]+ look like collapse: .*docs/guide.md, Collapse'
grep -q ' look like collapse: ' "$work/collapsed/log.txt" || complain "the log does not say so"
holds collapsed 'steps[-1]["prototypes_used"] <= 3 and steps[-1]["mean_entropy"] < 1.2'
holds collapsed '[s["step"] for s in steps if "mean_entropy" in s.get("collapse", [])][-1] == 100'
holds collapsed 'any("feature_rank" in s for s in steps)'

train "no monitors" unwatched 130 "${collapsing[@]}" --set runtime.monitors=false --set runtime.tensorboard=false
expect_lines 0 'look like collapse'
holds unwatched 'not any("feature_rank" in s or "collapse" in s for s in steps)'
[ ! -e "$work/unwatched/tensorboard" ] || complain "there are event files"
case_name="monitors change no number"
numbers='[[s[n] for n in ("loss", "grad_norm", "mean_entropy", "max_target")] for s in steps]'
[ "$(of_steps collapsed "$numbers")" = "$(of_steps unwatched "$numbers")" ] || complain "other numbers"
state=checkpoints/step-00000130/state-00000-of-00001.h5
cmp -s "$work/collapsed/$state" "$work/unwatched/$state" || complain "another state"

# The quickstart as it is, on fewer pictures: the same batch, network and rates.
train "the quickstart" healthy 105
expect_lines 0 'look like collapse'
holds healthy 'not any("collapse" in s for s in steps)'
holds healthy 'any(s.get("feature_rank", 0) > 4 for s in steps)'
finish
