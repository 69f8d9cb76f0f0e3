#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Bad input of the real program: one clear line, the documented code, in time, nothing left: bad_input.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_ranks 2
pack_tiny

refusal='^msn: (error|stopped)'
train=("${mpirun[@]}" "$msn" train)

refused "missing data folder" 74 "nowhere" "${train[@]}" "$config" "${tiny[@]}" --data "$work/nowhere" --run "$work/r1"
refused "missing input folder" 74 "nowhere" "$msn" pack --input "$work/nowhere" --output "$work/p1"
mkdir "$work/empty"
refused "empty input folder" 74 "empty" "$msn" pack --input "$work/empty" --output "$work/p2"
mkdir -p "$work/images/cat"
cp "$source_dir/tests/train/small.png" "$work/images/cat/a.png"
echo "not an image" >"$work/images/cat/b.jpg"
refused "text named .jpg" 74 'b\.jpg.*--on-bad skip' "$msn" pack --input "$work/images" --output "$work/p3"
case_name="nothing half-written"
[ ! -e "$work/p3/dataset.json" ] || complain "a data set was left"
expect "text skipped" 0 'left out 1 bad' "$msn" pack --input "$work/images" --output "$work/p3" --on-bad skip

cp -r "$work/data" "$work/truncated"
shard=$(find "$work/truncated" -name '*.h5')
truncate -s 20000 "$shard"
refused "truncated shard" 74 "$(basename "$shard")" \
  "${train[@]}" "$config" "${tiny[@]}" --data "$work/truncated" --run "$work/r2"

cp "$config" "$work/typo.toml"
sed -i 's/^global_batch/global_bacth/' "$work/typo.toml"
refused "unknown key" 78 'global_bacth" \(.*typo\.toml:[0-9]+:.*train\.global_batch' \
  "${train[@]}" "$work/typo.toml" "${tiny[@]}" "${data[@]}" --run "$work/r3"
refused "missing configuration" 78 'absent\.toml' "${train[@]}" "$work/absent.toml" --run "$work/r3"
refused "batch not divisible" 78 'global_batch = 7 cannot be shared evenly by 2 ranks' \
  "${train[@]}" "$config" "${tiny[@]}" "${data[@]}" --set train.global_batch=7 --run "$work/r3"
refused "more than the data" 74 'fewer than one global batch' \
  "${train[@]}" "$config" "${tiny[@]}" "${data[@]}" --set train.global_batch=512 --run "$work/r3"
case_name="no run folder before the checks"
[ ! -e "$work/r3" ] || complain "a run folder was made"

# A folder that this user may not write to. Root may write anywhere: become nobody.
mkdir -m 0555 "$work/locked"
chmod -R a+rX "$work"
as_nobody=()
if [ "$(id -u)" -eq 0 ]; then as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$work/locked"); fi
refused "read-only run folder" 74 'cannot write to the run folder.*locked' \
  "${as_nobody[@]}" "${train[@]}" "$config" "${tiny[@]}" "${data[@]}" --run "$work/locked"
refused "run path is a file" 74 'not a folder' "${train[@]}" "$config" "${tiny[@]}" "${data[@]}" --run "$config"

expect "one rank throws" 74 'rank 1 of 2' env MSN_TEST_INJECT=step-3:1:throw \
  "${train[@]}" "$config" "${tiny[@]}" "${data[@]}" --run "$work/r4"
expect_lines 1 '^msn: error on rank 1 of 2'
expect "the run goes on" 0 "done after step 4" "${train[@]}" "$config" "${tiny[@]}" "${data[@]}" --run "$work/r4" --max-steps 4

refused "one rank's weights are spoilt" 77 'rank 1 differs from rank 0 in online\.cls_token and [0-9]+ more .* after step 3' \
  env MSN_TEST_INJECT=step-2:1:damage "${train[@]}" "$config" "${tiny[@]}" "${data[@]}" --run "$work/r5" --max-steps 5 \
  --set train.check_replicas_every=1

refused "no network" 2 '--run DIR' "$msn" eval knn --train "$work/data" --test "$work/data"
refused "run without checkpoint" 74 'no checkpoint' \
  "$msn" eval knn --run "$work/empty" --train "$work/data" --test "$work/data"
expect "pack without labels" 0 "no labels" "$msn" pack --input "$work/images" --output "$work/p4" --labels none --on-bad skip
refused "data without labels" 74 'no labels' \
  "$msn" eval knn --raw-pixels --config "$config" --train "$work/p4" --test "$work/data"
refused "different classes" 74 'different classes' \
  "$msn" eval knn --raw-pixels --config "$config" --train "$work/p3" --test "$work/data"
finish
