#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The commands with which a user looks at data: views, verify, inspect, subset. look.sh MSN SOURCE MPIRUN... with
# CHECKPOINT_PROGRAM in the environment.
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"
use_ranks 2
pack_tiny
small=("${tiny[@]}" "${data[@]}")

# same NAME FILE FILE
same() {
  case_name=$1
  cmp -s "$2" "$3" || complain "$2 and $3 differ"
}
for command in views verify subset inspect; do
  expect "help of $command" 0 '^Example' "$msn" "$command" --help
done

# --- views ------------------------------------------------------------------------------------------------------------
views=("$msn" views "$config")
expect "views" 0 'sheet.png: [0-9]+ x [0-9]+ pixels, 8 images$' "${views[@]}" "${small[@]}" --output "$work/sheet.png"
expect_lines 8 '^sample [0-9]+ [a-z]+/[0-9]+\.jpg  40x40  step 0  epoch 0  position [0-7]$'
expect_lines 8 '^  target     crop [0-9]+x[0-9]+ at [0-9]+,[0-9]+'
expect_lines 8 '^  random 1   crop .* sees 30 of 36 patches$'
expect_lines 16 '^  focal [12]    crop'
expect "the same again, on two ranks" 0 "" "${mpirun[@]}" "${views[@]}" "${small[@]}" --output "$work/again.png"
expect_lines 8 '^  target'
same "the sheet is the same on two ranks" "$work/sheet.png" "$work/again.png"
# The sheet of a packed sheet: it is a PNG that decodes.
mkdir "$work/sheets"
cp "$work/sheet.png" "$work/sheets/"
expect "the sheet is a good PNG" 0 'packed .* 1 images' "$msn" pack --input "$work/sheets" --output "$work/packed_sheet"
expect "a later step, over its end" 0 'step 13  epoch 1  position 8$' \
  "${views[@]}" "${small[@]}" --output "$work/later.png" --step 12 --images 9 --json
expect_lines 8 'step 12  epoch 1  position [0-7]$'
expect_lines 1 '^\{"command":"views".*"kept":\[.*"position":8,"views"'
refused "a step behind the end" 2 'has 24 steps of 8 images.*--step 24' \
  "${views[@]}" "${small[@]}" --output "$work/no.png" --step 24
refused "more images than are left" 2 'ends before that' "${views[@]}" "${small[@]}" --output "$work/no.png" --step 23 --images 9
refused "no images" 2 'images' "${views[@]}" "${small[@]}" --output "$work/no.png" --images 0
refused "no data" 74 'nowhere' "${views[@]}" --data "$work/nowhere" --output "$work/no.png"
refused "no configuration" 78 'absent\.toml' "$msn" views "$work/absent.toml" "${data[@]}" --output "$work/no.png"
refused "batch larger than the data" 74 'fewer than one global batch' \
  "${views[@]}" "${data[@]}" --set train.global_batch=97 --output "$work/no.png"
refused "no folder for the sheet" 74 'nofolder' "${views[@]}" "${small[@]}" --output "$work/nofolder/no.png"
refused "a folder as the sheet" 74 "$work/sheets" "${views[@]}" "${small[@]}" --output "$work/sheets"
case_name="nothing half-written"
[ ! -e "$work/no.png" ] || complain "a sheet was left"
[ -z "$(find "$work" -name '*.tmp')" ] || complain "a temporary file was left"

# --- verify -----------------------------------------------------------------------------------------------------------
expect "pack in shards" 0 packed "$msn" pack --input 'synthetic:shapes?images=96&size=40&seed=1' --output "$work/good" --shards 5
expect "a good set" 0 '96 images in 5 shards, [0-9]+ bytes: no problem found' "$msn" verify "$work/good"
expect "a good set, decoded on two ranks" 0 'every image decoded: no problem found' "${mpirun[@]}" "$msn" verify "$work/good" --decode --json
expect_lines 1 '^\{"kind":"data set","images":96,"shards":5,.*"decoded":true,.*"problem_count":0,"problems":\[\]'
cp -r "$work/good" "$work/bad"
shards=("$work/bad"/*.h5)
size=$(stat -c %s "${shards[1]}")
printf '\x5a\x5a' | dd of="${shards[1]}" bs=1 seek=$((size / 2)) conv=notrunc status=none
rm "${shards[3]}"
for start in "$msn" "${mpirun[*]} $msn"; do
  # shellcheck disable=SC2086
  refused "damage by $start" 74 '[2-9] problems found .*/bad\): copy the shards' $start verify "$work/bad" --json
  expect_lines 1 '^problem: .*00001-of-00005\.h5: the file is damaged: its hash'
  expect_lines 1 '^problem: .*00001-of-00005\.h5: image [0-9]+ \([a-z]+/[0-9]+\.jpg\): .*checksum'
  expect_lines 1 '^problem: .*00003-of-00005\.h5: the shard is missing'
  expect_lines 1 '^\{"kind":"data set".*"problem_count":3,"problems":\["'
done
rm "$work/bad/dataset.json"
refused "no data set" 74 'neither a data set, a checkpoint nor a run' "$msn" verify "$work/bad"
refused "nothing there" 74 'nothing here' "$msn" verify "$work/nowhere"
mkdir "$work/run"
for step in 10 20; do
  expect "checkpoint of step $step" 0 "" "$CHECKPOINT_PROGRAM" write --run "$work/run" --step $step --seed $step
done
expect "a good run" 0 '2 checkpoints: no problem found' "${mpirun[@]}" "$msn" verify "$work/run"
expect "a good checkpoint" 0 '1 checkpoint: no problem found' "$msn" verify "$work/run/checkpoints/step-00000020"
refused "--decode of a run" 2 'for data sets' "${mpirun[@]}" "$msn" verify "$work/run" --decode
state=state-00000-of-00001.h5
size=$(stat -c %s "$work/run/checkpoints/step-00000010/$state")
printf '\x5a\xa5' | dd of="$work/run/checkpoints/step-00000010/$state" bs=1 seek=$((size / 2)) conv=notrunc status=none
rm "$work/run/checkpoints/step-00000020/$state"
mkdir "$work/run/pins" "$work/run/checkpoints/damaged-step-00000005"
touch "$work/run/pins/step-00000010" "$work/run/pins/step-00000070"
expect "inspect a run" 0 'step-00000010  epoch 1 .*  pinned$' "$msn" inspect "$work/run"
expect_lines 1 '^  step-00000020  latest  damaged: a file of the checkpoint is missing'
expect_lines 1 '^  damaged-step-00000005$'
refused "a damaged run" 74 '3 problems found' "$msn" verify "$work/run" --json
expect_lines 1 '^problem: .*step-00000010/state-00000-of-00001\.h5:online\.blocks\.0\.attn\.qkv\.weight: the tensor.s values are damaged'
expect_lines 1 '^problem: .*step-00000020/state-00000-of-00001\.h5: a file of the checkpoint is missing'
expect_lines 1 '^note: .*damaged-step-00000005: was set aside'
expect_lines 1 '^note: .*pins/step-00000070: pins a checkpoint that is not there'
expect_lines 1 '^problem: .*step-00000010/state-00000-of-00001\.h5: the file differs'
expect_lines 1 '^\{"kind":"run","checkpoints":2,.*"problem_count":3'

# --- inspect ----------------------------------------------------------------------------------------------------------
expect "inspect" 0 '^ +32-47  #{40} 96$' "$msn" inspect "$work/good"
expect_lines 1 '^ +9:10 to 10:9  #{40} 96$'
expect_lines 1 '^  of a class   9 to 10, median 10 images$'
expect "statistics" 0 '^mean = \[0\.[0-9]{4}, 0\.[0-9]{4}, 0\.[0-9]{4}\]$' "$msn" inspect "$work/good" --statistics
expect_lines 1 '^std = \[0\.[0-9]{4}, 0\.[0-9]{4}, 0\.[0-9]{4}\]$'
# What is printed can stand in a configuration.
mapfile -t overrides < <(sed -n '/^mean = /p; /^std = /p' "$work/out" | sed 's/^/views./; s/ //g')
expect "as overrides" 0 '' "${views[@]}" "${small[@]}" --output "$work/own.png" --set "${overrides[0]}" --set "${overrides[1]}"
expect "statistics of some" 0 '"statistics":\{"images":10,' "$msn" inspect "$work/good" --statistics --sample 10 --json
refused "sample without statistics" 2 'statistics' "$msn" inspect "$work/good" --sample 10
refused "statistics of a run" 2 'for data sets' "$msn" inspect "$work/run" --statistics

# --- subset -----------------------------------------------------------------------------------------------------------
subset=("$msn" subset --data "$work/good")
expect "draw" 0 'a.csv: 20 images of 96 in .*10 classes' "${subset[@]}" --per-class 2 --seed 4 --output "$work/a.csv" --json
expect_lines 1 '^\{"command":"subset",.*"images":20,"classes":10,"per_class":2,"seed":4\}$'
expect "draw again on two ranks" 0 "" "${mpirun[@]}" "${subset[@]}" --per-class 2 --seed 4 --output "$work/b.csv"
same "a seed draws the same" "$work/a.csv" "$work/b.csv"
expect "another seed" 0 "" "${subset[@]}" --per-class 2 --seed 5 --output "$work/b.csv"
case_name="another seed draws another list"
if cmp -s <(grep -v '^#' "$work/a.csv") <(grep -v '^#' "$work/b.csv"); then complain "the lists are equal"; fi
case_name="the list"
[ "$(head -n 1 "$work/a.csv")" = "# msn label list 1" ] || complain "no title"
[ "$(grep -c '^bars/[0-9]*\.jpg,bars$' "$work/a.csv")" = 2 ] || complain "not two of the class bars"
expect "a list as names" 0 "" "${subset[@]}" --names "$work/a.csv" --output "$work/c.csv"
same "the same images" <(grep -v '^#' "$work/a.csv") <(grep -v '^#' "$work/c.csv")
printf '000003.jpg\ndisc/nowhere.jpg\n' >"$work/names.txt"
refused "an unknown name" 74 'no image .*disc/nowhere\.jpg.*names\.txt:2' "${subset[@]}" --names "$work/names.txt" --output "$work/no.csv"
refused "too many" 74 'the class [a-z]+ has 9 images, fewer than 10' "${subset[@]}" --per-class 10 --output "$work/no.csv"
refused "neither" 2 'neither --per-class nor --names' "${subset[@]}" --output "$work/no.csv"
refused "both" 2 'names' "${subset[@]}" --per-class 1 --names "$work/names.txt" --output "$work/no.csv"
refused "no names" 74 'absent\.txt' "${subset[@]}" --names "$work/absent.txt" --output "$work/no.csv"
refused "no data set" 74 'nowhere' "$msn" subset --data "$work/nowhere" --per-class 1 --output "$work/no.csv"
expect "no labels" 0 'no labels' "$msn" pack --input "$work/sheets" --output "$work/unlabelled" --labels none
refused "a set without labels" 74 'no labels' "$msn" subset --data "$work/unlabelled" --per-class 1 --output "$work/no.csv"

# A folder that this user may not write to. Root may write anywhere: become nobody.
mkdir -m 0555 "$work/locked"
chmod -R a+rX "$work"
as_nobody=()
if [ "$(id -u)" -eq 0 ]; then as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$work/locked"); fi
refused "a locked folder for a list" 74 'cannot write the output: .*locked/no\.[a-z]+\): name a file' "${as_nobody[@]}" "${subset[@]}" --per-class 1 --output "$work/locked/no.csv"
refused "a locked folder for a sheet" 74 'cannot write the output: .*locked/no\.[a-z]+\): name a file' "${as_nobody[@]}" "${views[@]}" "${small[@]}" --output "$work/locked/no.png"
case_name="no list where there was an error"
[ ! -e "$work/no.csv" ] || complain "a list was left"
finish
