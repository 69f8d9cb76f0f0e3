#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A run that measures its network is the same run: evaluation.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
pack_tiny
expect "pack for tests" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=30&size=40&seed=2' --output "$work/test"
measured=(--set evaluate.every_epochs=1 --set "evaluate.train=$work/data" --set "evaluate.test=$work/test"
  --set evaluate.train_stride=2 --set evaluate.k=5)

command=("${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}")
bad=("${command[@]}" --run "$work/bad")
train() { # NAME CODE PATTERN ARGUMENTS...
  local name=$1 code=$2 pattern=$3
  shift 3
  expect "train $name" "$code" "$pattern" "${command[@]}" --run "$work/$name" "$@"
}
same_state() { # A B STEP: equal byte for byte.
  case_name="$1 and $2 at step $3"
  cmp "$work/$1/checkpoints/step-$3/state-00000-of-00001.h5" "$work/$2/checkpoints/step-$3/state-00000-of-00001.h5" ||
    complain "the data files differ"
}
measurements() { # NAME: step and accuracy of each in its metrics.
  sed -n 's/^{"step":\([0-9]*\),.*"evaluation":{"knn_top1":\([0-9.e-]*\),.*/\1 \2/p' "$work/$1/metrics.jsonl"
}
expect_measured() { # NAME STEPS
  case_name="measurements of $1"
  [ "$(measurements "$1" | cut -d' ' -f1 | xargs)" = "$2" ] || complain "not after steps $2: $(measurements "$1")"
}

train plain 0 "done after step 24"
train measured 0 'k-NN of the target network every 1 epochs, on 48 train and 30 test images: .* about [0-9]+ images$' \
  "${measured[@]}"
expect_lines 1 'k-NN \(k 5\) of the target network: [0-9.]+ % top-1 after step 12, epoch 1; [0-9.]+ s, in all [0-9.]+ % of the time$'
expect_lines 1 'top-1 after step 24, epoch 2;'
for step in 00000010 00000020 00000024; do same_state plain measured $step; done
expect_measured measured "12 24"
expect_measured plain ""

# What the finished run says is what msn eval says of its checkpoint.
expect "the same afterwards" 0 "" "$msn" eval knn --checkpoint "$work/measured/checkpoints/step-00000024" --train "$work/data" \
  --test "$work/test" --train-stride 2 --k 5 --json
case_name="accuracy of msn eval"
[ "$(sed -n 's/.*"top1":\([0-9.e-]*\),"seconds":.*/\1/p' "$work/out")" = "$(measurements measured | sed -n 's/^24 //p')" ] ||
  complain "it differs from $(measurements measured)"

# Killed within a measurement, and gone on with: one measurement a step, and the same state.
MSN_TEST_INJECT=evaluate-12:1:kill train killed 137 "" "${measured[@]}"
train killed 0 'resuming after step 10' "${measured[@]}"
expect_measured killed "12 24"
same_state plain killed 00000024
case_name="measurements of a run that was killed"
[ "$(measurements killed)" = "$(measurements measured)" ] || complain "they differ"

# The best one stays, whatever becomes of the others.
train best 0 "done after step 24" "${measured[@]}" --set checkpoint.keep=2 --set checkpoint.every_steps=5 \
  --set checkpoint.keep_best=1
same_state plain best 00000024
expect "inspect the best" 0 'step-000000(12|24)  .*k-NN [0-9.]+ %.*one of the best \(checkpoint\.keep_best\)' \
  "$msn" inspect "$work/best"
expect_lines 1 'one of the best'
case_name="checkpoints beside the best"
best=$(measurements best | sort -k2,2g -k1,1g | tail -n 1 | cut -d' ' -f1)
[ "$(cd "$work/best/checkpoints" && echo step-*)" = "$(printf 'step-%08d\n' 20 24 "$best" | sort -u | xargs)" ] ||
  complain "$(ls "$work/best/checkpoints")"
refused "train bad" 78 'checkpoint\.keep_best = 1 needs measurements' "${bad[@]}" --set checkpoint.keep_best=1

# Other keys when a run goes on are no change of the run.
train changed 0 "" "${measured[@]}" --max-steps 12
train changed 0 "done after step 24" --set evaluate.every_epochs=2 --set "evaluate.train=$work/data" \
  --set "evaluate.test=$work/data"
expect_measured changed "12 24"
same_state plain changed 00000024

# An image that cannot be read is left out.
cp -r "$work/test" "$work/damaged"
shard=("$work"/damaged/*.h5)
printf '\x5a\x5a' | dd of="${shard[0]}" bs=1 seek=$(($(stat -c %s "${shard[0]}") / 2)) conv=notrunc status=none
train damaged 0 'the measurement leaves out an image: .*checksum' "${measured[@]}" --set "evaluate.test=$work/damaged"
expect_lines 1 'the measurement leaves out an image'
expect_measured damaged "12 24"
same_state plain damaged 00000024

refused "train bad" 78 'evaluate\.every_epochs = 1 needs evaluate\.train' "${bad[@]}" --set evaluate.every_epochs=1
refused "train bad" 74 'nowhere' "${bad[@]}" "${measured[@]}" --set "evaluate.test=$work/nowhere"
refused "train bad" 78 'evaluate\.k = 49 is more than the 48 train images' "${bad[@]}" "${measured[@]}" --set evaluate.k=49
case_name="a refused run"
[ ! -e "$work/bad" ] || complain "left a folder"
finish
