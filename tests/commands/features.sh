#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What msn features writes, and what it refuses. features.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"

use_ranks 3
pack_tiny
expect "train" 0 "done" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/run" --max-steps 2
expect "help" 0 '^Example' "$msn" features --help
features=("$msn" features --run "$work/run")

# --- From a packed data set -------------------------------------------------------------------------------------------
expect "to HDF5" 0 'a\.h5: features of 96 images, 32 numbers each, by .*step-00000002; left out 0 bad images' \
  "${features[@]}" --data "$work/data" --output "$work/a.h5" --json
expect_lines 1 '^\{"command":"features","output":.*"network":"target","layer":2,"blocks":1,"final_norm":"after","images":96,"width":32,"classes":10,"left_out":\[\]'
expect "on three ranks" 0 "" "${mpirun[@]}" "${features[@]}" --data "$work/data" --output "$work/b.h5"
same "any number of ranks" "$work/a.h5" "$work/b.h5"
expect "to .npy" 0 "" "${features[@]}" --data "$work/data" --output "$work/a.npy"
expect "to .npy on three ranks" 0 "" "${mpirun[@]}" "${features[@]}" --data "$work/data" --output "$work/b.npy"
same "any number of ranks" "$work/a.npy" "$work/b.npy"
case_name="the array"
[ "$(stat -c %s "$work/a.npy")" = $((128 + 96 * 32 * 4)) ] || complain "not 96 rows of 32 behind its head"
[ "$(wc -l <"$work/a.csv")" = 96 ] || complain "not 96 names"
[ "$(head -n 1 "$work/a.csv" | grep -Ec '^([a-z]+)/[0-9]+\.jpg,[a-z]+$')" = 1 ] || complain "no name and class"
expect "the names are a label list" 0 "96 images of 96" "$msn" subset --data "$work/data" --names "$work/a.csv" --output "$work/list.csv"
expect "another layer of the other network" 0 '64 numbers each' \
  "${features[@]}" --data "$work/data" --network online --layer 2 --blocks 2 --final-norm before --stride 5 --output "$work/c.npy"
case_name="every fifth"
[ "$(wc -l <"$work/c.csv")" = 20 ] || complain "not 20 names"

# --- From files -------------------------------------------------------------------------------------------------------
mkdir -p "$work/photos/cat" "$work/photos/dog"
for i in 1 2 3; do
  cp "$source_dir/tests/train/small.png" "$work/photos/cat/$i.png"
  cp "$source_dir/tests/train/small.png" "$work/photos/dog/$i.png"
done
expect "a folder" 0 'features of 6 images' "${features[@]}" --images "$work/photos" --output "$work/photos.npy"
expect "the same, packed" 0 packed "$msn" pack --input "$work/photos" --output "$work/packed"
expect "features of the packed" 0 "" "${features[@]}" --data "$work/packed" --output "$work/packed.npy"
same "as files and packed" "$work/photos.npy" "$work/packed.npy"
same "their names" "$work/photos.csv" "$work/packed.csv"
cp "$work/photos.npy" "$work/good.npy"
echo nothing >"$work/photos/cat/2.png"
echo nothing >"$work/photos/dog/3.png"
for start in "" "${mpirun[*]}"; do
  # shellcheck disable=SC2086
  refused "a bad image" 74 'photos/(cat/2|dog/3)\.png' $start "${features[@]}" --images "$work/photos" --output "$work/no.npy"
  # shellcheck disable=SC2086
  expect "skipped" 0 'features of 4 images.*left out 2 bad images' $start "${features[@]}" --images "$work/photos" \
    --output "$work/some.npy" --on-bad skip --json
  expect_lines 2 'left out (cat/2|dog/3)\.png: '
  expect_lines 1 '"left_out":\[\{"name":"cat/2\.png","reason":"[^"]+"\},\{"name":"dog/3\.png",'
  same "their names" "$work/some.csv" <(grep -v 'cat/2\|dog/3' "$work/photos.csv")
done
# All pictures are the same one, so that the four rows are the first four.
same "their rows" <(tail -c +129 "$work/some.npy") <(tail -c +129 "$work/good.npy" | head -c $((4 * 32 * 4)))
expect "skipped, to HDF5" 0 "left out 2" "${features[@]}" --images "$work/photos" --output "$work/some.h5" --on-bad skip

# --- Bad input --------------------------------------------------------------------------------------------------------
refused "no images" 2 'no images are named' "${features[@]}" --output "$work/no.h5"
refused "both" 2 'images' "${features[@]}" --data "$work/data" --images "$work/photos" --output "$work/no.h5"
refused "no network" 2 'no network is named' "$msn" features --data "$work/data" --output "$work/no.h5"
refused "no format" 2 'no\.txt.*\.npy' "${features[@]}" --data "$work/data" --output "$work/no.txt"
refused "an empty folder" 74 'holds no JPEG or PNG' "${features[@]}" --images "$work/run" --output "$work/no.h5"
for start in "" "${mpirun[*]}"; do
  # shellcheck disable=SC2086
  refused "no folder for the output" 74 'nofolder' $start "${features[@]}" --data "$work/data" --output "$work/nofolder/no.h5"
done
rm "$work"/photos/*/*.png
echo nothing >"$work/photos/cat/2.png"
refused "not one good image" 74 'not one of the [0-9]+ images is good' \
  "${features[@]}" --images "$work/photos" --output "$work/no.h5" --on-bad skip
case_name="nothing half-written"
[ -z "$(find "$work" -name 'no.*' -o -name '*.partial')" ] || complain "a file was left"
finish
