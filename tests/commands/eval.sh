#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What msn eval says of a tiny run, and what it refuses. eval.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"

# json FILE: the last line but for the time it took.
json() {
  tail -n 1 "$work/out" | sed 's/,"seconds":[-+0-9.e]*}$/}/' >"$1"
}

use_ranks 2
pack_tiny
expect "pack for tests" 0 "packed" "$msn" pack --input 'synthetic:shapes?images=30&size=40&seed=2' --output "$work/test"
expect "train" 0 "done" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/run" --max-steps 2
expect "help of eval" 0 '^  knn ' "$msn" eval --help
expect "help of eval knn" 0 '^Example' "$msn" eval knn --help
knn=("$msn" eval knn --run "$work/run" --train "$work/data" --test "$work/test")

# --- Results ----------------------------------------------------------------------------------------------------------
expect "several k in one pass" 0 '^  k 5 +all +96 +[0-9]+\.[0-9]{2} +[0-9]+\.[0-9]{2}$' "${knn[@]}" --k 1,5,20 --json
expect_lines 1 '^knn of .*/step-00000002: 30 test images of 10 classes, [0-9.]+ s$'
expect_lines 1 '^  setting +labels +train images +top-1, % +top-5, %$'
expect_lines 1 '^\{"command":"eval knn","subject":".*step-00000002","network":"target","layer":2,"blocks":1,"final_norm":"after",.*"results":\[\{"k":1,.*\{"k":5,.*\{"k":20,'
json "$work/one"
expect "the same on two ranks" 0 'k 20' "${mpirun[@]}" "${knn[@]}" --k 1,5,20 --json
json "$work/two"
same "one rank and two" "$work/one" "$work/two"
expect "an image is its own neighbour" 0 '"top1":1\.0,"seconds"' "$msn" eval knn --run "$work/run" --train "$work/data" --test "$work/data" --k 1 --json
expect "other networks and layers" 0 '"network":"online","layer":2,"blocks":2,"final_norm":"before"' \
  "${knn[@]}" --network online --layer 2 --blocks 2 --final-norm before --json
expect "majority" 0 '"vote":"majority","classes":10,"train_images":48,"test_images":10' \
  "${knn[@]}" --vote majority --train-stride 2 --test-stride 3 --json
expect "random weights" 0 '^knn of random weights:' "${knn[@]}" --random-weights
expect "raw pixels without a run" 0 '^knn of raw pixels:' \
  "$msn" eval knn --raw-pixels --config "$config" --train "$work/data" --test "$work/test"

# --- Label lists ------------------------------------------------------------------------------------------------------
for seed in 1 2 3; do
  expect "list $seed" 0 "" "$msn" subset --data "$work/data" --per-class 2 --seed $seed --output "$work/list-$seed.csv"
done
expect "three splits" 0 '^  k 3 +mean of 3 +[0-9.]+ ± [0-9.]+ +[0-9.]+ ± [0-9.]+$' \
  "${mpirun[@]}" "${knn[@]}" --k 3 --labels "$work"/list-?.csv --json
expect_lines 3 '^  k 3 +list-[123]\.csv +20 '
expect_lines 1 '"top1_deviation":.*"splits":\[\{"labels":"[^"]*list-1\.csv","train_images":20,.*list-3\.csv'

# --- Classes ----------------------------------------------------------------------------------------------------------
expect "per class" 0 '^  k 3 +bars +3 +[0-9.]+$' "${knn[@]}" --k 3 --per-class --confusion "$work/confusion.csv" --json
expect_lines 1 '"per_class":\[\{"class":"[a-z]+","images":3,"accuracy":[0-9.]+\}'
case_name="the confusion matrix"
[ "$(wc -l <"$work/confusion.csv")" = 11 ] || complain "not eleven lines"
[ "$(grep -c '^class,bars,' "$work/confusion.csv")" = 1 ] || complain "no head"
[ "$(tail -n +2 "$work/confusion.csv" | cut -d, -f2- | tr ',' '\n' | awk '{ n += $1 } END { print n }')" = 30 ] ||
  complain "it does not count 30 images"
refused "several settings in a matrix" 2 'one setting, not of 2' "${knn[@]}" --k 1,2 --confusion "$work/no.csv"
refused "no folder for it" 74 'cannot write the output' "${knn[@]}" --confusion "$work/nofolder/no.csv"

# --- Cache ------------------------------------------------------------------------------------------------------------
expect "fill the cache" 0 "" "${knn[@]}" --cache "$work/cache" --k 1,5,20 --json
json "$work/filled"
expect "from the cache" 0 'features of 96 images from ' "${mpirun[@]}" "${knn[@]}" --cache "$work/cache" --k 1,5,20 --json
json "$work/cached"
same "made and found" "$work/filled" "$work/cached"
same "with a cache and without" "$work/one" "$work/cached"
for file in "$work"/cache/*.h5; do printf 'x' | dd of="$file" bs=1 seek=2500 conv=notrunc status=none; done
expect "a damaged cache" 0 'made anew' "${knn[@]}" --cache "$work/cache" --k 1,5,20 --json
json "$work/anew"
same "made anew" "$work/one" "$work/anew"

# --- Bad input --------------------------------------------------------------------------------------------------------
echo 'absent/1.jpg' >"$work/unknown.csv"
for start in "" "${mpirun[*]}"; do
  # shellcheck disable=SC2086
  refused "more neighbours than images" 2 '96 training images, fewer than 97' $start "${knn[@]}" --k 5,97
  # shellcheck disable=SC2086
  refused "a layer too many" 2 'the model has 2 blocks, and none of number 3' $start "${knn[@]}" --layer 3
  # shellcheck disable=SC2086
  refused "a list of unknown images" 74 'absent/1\.jpg.*unknown\.csv:1' \
    $start "${knn[@]}" --labels "$work/unknown.csv"
done
finish
