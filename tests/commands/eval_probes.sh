#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The classifiers of msn eval that learn: what they say of a tiny run on one rank and on two, and what they refuse.
# eval_probes.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"

use_ranks 2
pack_tiny
expect "pack for tests" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=30&size=40&seed=2' --output "$work/test"
expect "train" 0 "done" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/run" --max-steps 2
sets=(--run "$work/run" --train "$work/data" --test "$work/test")
logistic=("$msn" eval logistic "${sets[@]}")
linear=("$msn" eval linear "${sets[@]}" --epochs 3 --batch 40)
tune=("$msn" eval finetune "${sets[@]}")
finetune=("${tune[@]}" --epochs 3 --batch 16 --warmup-epochs 1)
for classifier in logistic linear finetune; do
  expect "help of eval $classifier" 0 '^Example' "$msn" eval $classifier --help
done

# --- Logistic regression ----------------------------------------------------------------------------------------------
expect "one lambda" 0 '"command":"eval logistic",.*"final_norm":"before","tolerance":1e-09,.*"lambda":0\.075,.*"converged":true' \
  "${logistic[@]}" --confusion "$work/one.csv" --json
expect "the same on two ranks" 0 '^  lambda 0\.075 +all +96 ' "${mpirun[@]}" "${logistic[@]}" --confusion "$work/two.csv"
same "one rank and two" "$work/one.csv" "$work/two.csv"
expect "several lambdas" 0 '^  lambda 10 +all ' "${mpirun[@]}" "${logistic[@]}" --lambda 0.0025,1,10
expect_lines 3 '^  lambda '
expect "it learns by heart" 0 '"top1":1\.0,"seconds"' \
  "$msn" eval logistic --run "$work/run" --train "$work/data" --test "$work/data" --lambda 1e-6 --json
for seed in 1 2 3; do
  expect "list $seed" 0 "" "$msn" subset --data "$work/data" --per-class 2 --seed $seed --output "$work/list-$seed.csv"
done
expect "three splits" 0 '^  lambda 0\.0025 +mean of 3 ' \
  "${mpirun[@]}" "${logistic[@]}" --lambda 0.0025 --labels "$work"/list-?.csv --json
expect_lines 3 '^  lambda 0\.0025 +list-[123]\.csv +20 '
expect_lines 1 '"labels":"[^"]*list-3\.csv","train_images":20,.*"objective":[0-9.e-]+,"gap":'
expect "no convergence" 0 'lambda 0\.0025 has not converged: after 1 Newton steps' \
  "${mpirun[@]}" "${logistic[@]}" --lambda 0.0025 --max-newton-steps 1 --json
expect_lines 1 '"converged":false'

# --- Linear probe -----------------------------------------------------------------------------------------------------
expect "crops" 0 '"command":"eval linear",.*"rule":"official","views":"crops"' \
  "${linear[@]}" --confusion "$work/one.csv" --json
expect "the same on two ranks" 0 '^  linear +all +96 ' "${mpirun[@]}" "${linear[@]}" --confusion "$work/two.csv"
same "one rank and two" "$work/one.csv" "$work/two.csv"
expect "centre views" 0 '"rule":"torch","views":"centre"' "${mpirun[@]}" "${linear[@]}" --views centre --rule torch --json
expect "lists" 0 '^  linear +mean of 2 ' "${linear[@]}" --labels "$work/list-1.csv" "$work/list-2.csv"

# --- Fine-tuning ------------------------------------------------------------------------------------------------------
expect "fine-tuning" 0 '"command":"eval finetune",.*"rand_augment":9' \
  "${finetune[@]}" --confusion "$work/one.csv" --json
expect "the same on two ranks" 0 '^  fine-tuned +all +96 ' "${mpirun[@]}" "${finetune[@]}" --confusion "$work/two.csv"
same "one rank and two" "$work/one.csv" "$work/two.csv"
expect "plain" 0 '^  fine-tuned +list-1' "${mpirun[@]}" "${finetune[@]}" --rand-augment 0 --mixup 0 --cutmix 0 --drop-path 0 \
  --labels "$work/list-1.csv"

# --- Bad input --------------------------------------------------------------------------------------------------------
grep -v ',bars$' "$work/list-1.csv" >"$work/no-bars.csv"
for classifier in logistic linear finetune; do
  refused "$classifier without a class" 74 'bars has no training image.*no-bars\.csv' \
    "${mpirun[@]}" "$msn" eval $classifier "${sets[@]}" --labels "$work/no-bars.csv"
done
refused "no lambda" 2 '--lambda' "${logistic[@]}" --lambda 0
refused "a learning rate that is too high" 77 'the loss of .* is not finite \(epoch [0-9]+\): lower the learning rate' \
  "${mpirun[@]}" "${finetune[@]}" --lr 1e30
refused "an odd batch" 2 'give an even number' "${tune[@]}" --batch 15
refused "only a warm-up" 2 'the warm-up is as long' "${tune[@]}" --epochs 5
refused "no network" 2 'there is no network to train' "${tune[@]}" --raw-pixels
refused "a part of the network" 2 'the whole network is trained' "${tune[@]}" --layer 1
finish
