#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# msn export and msn import on a small training: weights.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"
use_ranks 2
tiny+=(--set runtime.threads=1)
pack_tiny

expect "train" 0 'done after step 4' "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/run" \
  --max-steps 4
checkpoint=$work/run/checkpoints/step-00000004

# files DIR NAME...: the folder holds these files and no others.
files() {
  local dir=$1
  shift
  case_name="files of $dir"
  [ "$(ls -A "$dir")" = "$(printf '%s\n' "$@" | LC_ALL=C sort)" ] || complain "holds $(ls -A "$dir")"
}
export LC_ALL=C

expect "hf" 0 'the target network' "${mpirun[@]}" "$msn" export --run "$work/run" --format hf --output "$work/hf" --json
expect_lines 1 '^\{"command":"export",.*"format":"hf",.*"network":"target","dtype":"fp32","step":4\}$'
files "$work/hf" README.md config.json model.safetensors preprocessor_config.json
grep -q '^| `loss` of the last step | ' "$work/hf/README.md" || complain "no metrics in the model card"
expect "timm" 0 '' "$msn" export --checkpoint "$checkpoint" --format timm --output "$work/deep/er/timm/"
files "$work/deep/er/timm" README.md config.json model.safetensors
expect "official" 0 '' "$msn" export --run "$work/run" --format official --output "$work/official"
files "$work/official" README.md config.toml model.safetensors
expect "onnx" 0 '' "$msn" export --run "$work/run" --format onnx --output "$work/onnx" --json
expect_lines 1 '^\{"command":"export",.*"format":"onnx",.*"network":"target","dtype":"fp32","step":4\}$'
files "$work/onnx" README.md model.onnx
expect "onnx of half the size" 78 'ONNX models are written in float32 only \(--dtype bf16\)' \
  "$msn" export --run "$work/run" --format onnx --dtype bf16 --output "$work/x"
expect_lines 1 '^msn: error'
expect "online" 0 'the online network' "$msn" export --run "$work/run" --format hf --network online \
  --output "$work/online"
expect "bf16" 0 '' "$msn" export --run "$work/run" --format hf --dtype bf16 --output "$work/bf16"
case_name="sizes"
[ "$(stat -c %s "$work/bf16/model.safetensors")" -lt "$(stat -c %s "$work/hf/model.safetensors")" ] ||
  complain "bf16 is not smaller"
cmp -s "$work/online/model.safetensors" "$work/hf/model.safetensors" && complain "the online network is the target's"

# Through every form and back to the same bytes.
for form in hf deep/er/timm official; do
  name=$(basename "$form")
  expect "import $name" 0 'width 32, depth 2, heads 2, patches of 4' \
    "$msn" import --from "$work/$form" --output "$work/from-$name" --json
  expect_lines 1 '^\{"command":"import",.*"heads":2,"patch_size":4,"image_size":24\}$'
  files "$work/from-$name" README.md config.toml model.safetensors
  expect "and export it" 0 '' "$msn" export --weights "$work/from-$name" --format hf --output "$work/again-$name"
  cmp "$work/again-$name/model.safetensors" "$work/hf/model.safetensors" || complain "other bytes"
  cmp "$work/again-$name/config.json" "$work/hf/config.json" || complain "another configuration"
done
# A run begins with what was imported, and with what was exported itself.
expect "begin with an import" 0 "beginning with 41 tensors of $work/from-official \(target_encoder\), prototypes among" \
  "$msn" train "$config" "${tiny[@]}" "${data[@]}" --run "$work/run-import" --set "model.init=$work/from-official" \
  --max-steps 0
expect "begin with hf itself" 0 "beginning with 30 tensors of $work/hf; prototypes are drawn" "$msn" train "$config" \
  "${tiny[@]}" "${data[@]}" --run "$work/run-hf" --set "model.init=$work/hf" --max-steps 0
expect "official bytes" 0 '' "$msn" export --weights "$work/from-official" --format official --output "$work/official-2"
case_name="official again"
# Its header tells of no training any more; the tensors are the same.
[ "$(tail -c 10000 "$work/official-2/model.safetensors" | md5sum)" = \
  "$(tail -c 10000 "$work/official/model.safetensors" | md5sum)" ] || complain "other bytes"

expect "onnx of what was imported" 0 '' "$msn" export --weights "$work/from-hf" --format onnx --output "$work/onnx-2"
# Metadata stand before all weights.
[ "$(tail -c 10000 "$work/onnx-2/model.onnx" | md5sum)" = "$(tail -c 10000 "$work/onnx/model.onnx" | md5sum)" ] ||
  complain "other bytes"

expect "taken" 74 'the output is there already' "$msn" export --run "$work/run" --format hf \
  --output "$work/hf"
expect_lines 1 '^msn: error'
expect "nothing to export" 2 'nothing to export' "$msn" export --format hf --output "$work/x"
expect "no such form" 2 'format' "$msn" export --run "$work/run" --format h5 --output "$work/x"
expect "an empty run" 74 'the run has no checkpoint' "$msn" export --run "$work/data" --format hf --output "$work/x"
expect "nothing there" 78 'there is nothing here' "$msn" import --from "$work/absent" --output "$work/x"
expect "no weights" 78 'neither a file of weights' "$msn" import --from "$work/data" --output "$work/x"
mkdir "$work/bare"
cp "$work/hf/model.safetensors" "$work/bare/w.safetensors"
expect "no heads" 78 'how many attention heads' "$msn" import --from "$work/bare/w.safetensors" --output "$work/x"
expect "heads by hand" 0 'heads 2' "$msn" import --from "$work/bare/w.safetensors" --heads 2 --output "$work/heads"
expect "wrong heads" 78 '2 attention heads where the model has 4' "$msn" train "$config" "${tiny[@]}" "${data[@]}" \
  --run "$work/run-heads" --set "model.init=$work/hf" --set model.heads=4 --max-steps 0
expect_lines 1 '^msn: error'
# Damage: a header of 2^60 bytes, a file cut short, and a value that is not a number.
printf '\0\0\0\0\0\0\0\20{}' >"$work/bare/huge.safetensors"
expect "a huge header" 74 'header cannot have 1152921504606846976 bytes' \
  "$msn" import --from "$work/bare/huge.safetensors" --output "$work/x"
printf '\151\0\0\0\0\0\0\0%s...' \
  '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}' \
  >"$work/bare/overlap.safetensors"
expect "overlapping tensors" 74 'overlaps the one before \(.*overlap\.safetensors:b' \
  "$msn" import --from "$work/bare/overlap.safetensors" --output "$work/x"
printf '\2\0\0\0\0\0\0\0{}' >"$work/bare/empty.safetensors"
expect "missing tensors" 78 'missing tensor \(.*empty\.safetensors:cls_token' \
  "$msn" import --from "$work/bare/empty.safetensors" --output "$work/x"
head -c 20000 "$work/hf/model.safetensors" >"$work/bare/short.safetensors"
expect "cut short" 74 'the file ends inside the tensor \(.*short\.safetensors:' \
  "$msn" import --from "$work/bare/short.safetensors" --output "$work/x"
cp "$work/hf/model.safetensors" "$work/bare/nan.safetensors"
size=$(stat -c %s "$work/bare/nan.safetensors")
printf '\0\0\300\177' | dd of="$work/bare/nan.safetensors" bs=1 seek=$((size - 4)) conv=notrunc status=none
expect "not a number" 77 'not finite \(.*nan\.safetensors:' \
  "$msn" import --from "$work/bare/nan.safetensors" --heads 2 --output "$work/x"
case_name="nothing half-written"
[ ! -e "$work/x" ] || complain "there is an output"
[ -z "$(find "$work" -name '.partial-*')" ] || complain "a partial folder is left"
finish
