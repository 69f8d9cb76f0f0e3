#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run whose host is ahead of its device comes to the same state, to the bit, however far it is ahead, as a graph or
# not, and in two lives; so does one with a step that is not finite:
# device_run.sh MSN SOURCE MPIRUN...
# MSN_TEST_AS_ON_GPU=torch or =kokkos in the environment: in host memory, on two ranks; without: on a GPU, on one.
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
limit_s=120
device=()
if [ -n "${MSN_TEST_AS_ON_GPU:-}" ]; then
  use_ranks 2
else
  use_ranks 1
  device=(--device cuda --set runtime.attention=plain)  # The fused kernels add gradients up in any order.
fi
pack_tiny
runs=$work/runs
mkdir "$runs"

train() { # CASE CODE PATTERN FAULTS RUN ARGUMENTS...
  local name=$1 code=$2 pattern=$3 faults=$4 run=$5
  shift 5
  expect "$name" "$code" "$pattern" env ${faults:+"MSN_TEST_INJECT=$faults"} \
    "${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" "${device[@]}" --set checkpoint.every_steps=4 \
    --run "$runs/$run" --max-steps "${steps:-12}" "$@"
}
same_state() { # RUN RUN
  local file=checkpoints/step-00000012/state-00000-of-00001.h5
  cmp "$runs/$1/$file" "$runs/$2/$file" || complain "the states of $1 and $2 differ"
}

train "undisturbed" 0 'done after step 12' "" straight
expect_lines 1 'starting on [12] ranks? .*(cpu as a GPU|NVIDIA).*kernels by '
[ "$(wc -l <"$runs/straight/metrics.jsonl")" -eq 12 ] || complain "not one line a step"
steps=7 train "the first of two lives" 0 'done after step 7' "" lives
train "the second of two lives" 0 'done after step 12' "" lives
expect_lines 1 'resuming after step 7 '
same_state lives straight
train "one step after the other" 0 'done after step 12' "" in_step --set runtime.run_ahead=0
same_state in_step straight
train "without a graph" 0 'done after step 12' "" eager --set runtime.cuda_graph=false
same_state eager straight

# Faults are injected where the host works, which a graph does not call.
skip=(--set train.non_finite=skip --set runtime.cuda_graph=false)
train "not finite, far ahead" 0 'done after step 12' "loss-5:0:damage" ahead "${skip[@]}" --set runtime.run_ahead=4
expect_lines 1 'skipping a step: loss of rank 0 is nan in step 6 '
train "not finite, one after the other" 0 'done after step 12' "loss-5:0:damage" behind "${skip[@]}" \
  --set runtime.run_ahead=0
same_state ahead behind
case_name="the bundle"
bundle() { # RUN; which checkpoint was durable is a matter of time.
  grep -v '"checkpoint":' "$runs/$1/bundles/step-00000006.json"
}
diff <(bundle ahead) <(bundle behind) >"$work/out" || complain "the bundles differ"
expect "replay" 0 'reproduced: ' env MSN_TEST_INJECT=loss-5:0:damage "${mpirun[@]}" "$msn" train \
  "$runs/ahead/config.toml" "${device[@]}" --run "$runs/ahead" --replay "$runs/ahead/bundles/step-00000006.json"
finish
