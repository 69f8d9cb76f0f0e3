#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn bench step`: bench_step.sh MSN SOURCE MPIRUN...
msn=$1
source_dir=$2
shift 2
mpirun=("$@")
. "$(dirname "$0")/../faults/common.sh"
limit_s=30  # On a machine that may be busy.
tiny=(--set model.width=32 --set model.depth=2 --set model.heads=2 --set model.head_hidden=32 --set model.head_out=16
  --set model.prototypes=16 --set views.focal=2 --set runtime.threads=1)

number='[0-9.e+-]+'
section="\{\"seconds\":$number,\"waiting_seconds\":$number\}"
sections="\{\"data\":$section,\"forward\":$section,\"backward\":$section,\"reduce\":$section,\"update\":$section\}"
kind="\{\"seconds\":$number,\"share\":$number,\"calls\":$number,\"bytes\":$number,\"flops\":$number(,\"floor_seconds\":$number)?\}"
export NCCL_DEBUG=none NCCL_TOKEN=geheim
expect "two ranks" 0 "\"command\":\"bench step\",.*\"precision\":\"fp32\",\"ranks\":2,\"threads\":1,\"global_batch\":6,\"steps\":3,.*\"sections\":$sections,\"work\":\{\"product\":$kind,.*\"optimizer\":$kind,\"other\":\{.*\"waiting\":\{.*\},\"breakdown\":\{.*\},\"flops\":$number,.*\"copy_bytes_per_second\":$number,.*\"peak_memory_bytes\":$number,\"memory_after_construction_bytes\":$number,\"moments_bytes\":$number,\"memory_of_steps_bytes\":$number,\"arena\":\{\"peak_bytes\":$number,\"committed_bytes\":$number,\"growths_after_first_step\":0.0,\"refused\":0.0\}" \
  "${mpirun[@]}" "$msn" bench step "$source_dir/configs/quickstart.toml" "${tiny[@]}" --batch 3 --steps 3 --warm-up 1 --json
expect_lines 1 '^  images/s +[0-9.]+, the median'
expect_lines 5 '^    (data|forward|backward|reduce|update) +[0-9.]+ +[0-9.]+$'
# Norms and update of the whole state: as `msn bench optimizer` counts its bytes.
expect_lines 1 '^    optimizer +[0-9.]+ +[0-9.]+ % +[0-9.]+ +[0-9.]+$'
expect_lines 1 '^    waiting +[0-9.]+ +[0-9.]+ %$'
grep -o '"share":[0-9.e+-]*' "$work/out" | awk -F: '{ sum += $2 } END { exit !(sum > 0.999 && sum < 1.001) }' ||
  complain "the shares of the work do not make a whole"
bytes=$("$msn" bench optimizer "$source_dir/configs/quickstart.toml" "${tiny[@]}" --repeats 1 --json |
  sed -n 's/.*"bf16_shadows":false,"bytes":\([0-9]*\),.*/\1/p')
grep -Eq "\"optimizer\":\{[^}]*\"calls\":3.0,\"bytes\":${bytes:-none}.0," "$work/out" ||
  complain "the optimiser's bytes are not ${bytes:-told}"
# Where the numbers come from, and the parts of a step.
for what in '"provenance":\{"time":"20[0-9-]+T[0-9:]+Z","version":"[^"]+","torch":"[^"]+","mpi":"[^"]+","hdf5":"[^"]+","instruction_set":"[^"]+"' \
  '"hosts":\[\{"host":"[^"]+","ranks":2,"processor":"[^"]*","device":"cpu","cores_of_a_rank":[0-9]+\}\]' \
  '"environment":\{[^}]*"NCCL_DEBUG":"none"[^}]*"OMP_NUM_THREADS":"1"' '"settings_digest":"[0-9a-f]{32}"' \
  "\"load_average\":\{\"before\":$number,\"after\":$number\}" "\"others_cpu_share\":-?$number" \
  "\"each_step_seconds\":\[$number,$number,$number\]" '"warm_up":1,'; do
  grep -Eq -- "$what" "$work/out" || complain "no $what"
done
! grep -q geheim "$work/out" "$work/err" || complain "a secret of the environment is told"
python3 - "$work/out" <<'END' || complain "the parts of a step are not those of its time"
import json, sys
line = json.loads([text for text in open(sys.argv[1]) if text.startswith("{")][-1])
assert list(line["breakdown"]) == ["compute", "exchange", "optimizer", "input", "other"], line["breakdown"]
assert min(line["breakdown"].values()) >= 0
assert 0.98 < sum(line["breakdown"].values()) / line["step_seconds_mean"] < 1.05
assert line["step_seconds_p10"] <= line["step_seconds"] <= line["step_seconds_p90"]
assert abs(sum(line["each_step_seconds"]) / 3 - line["step_seconds_mean"]) < 1e-9
END
# Into a file, whole or not at all; the digest of the settings leaves the batch out.
for batch in 2 3; do
  expect "into a file, $batch images" 0 '' "$msn" bench step "$source_dir/configs/quickstart.toml" "${tiny[@]}" \
    --batch "$batch" --steps 1 --warm-up 0 --output "$work/$batch.json"
  [ "$(wc -l <"$work/$batch.json")" -eq 1 ] || complain "the file is not one line"
  expect_lines 0 '^\{'
done
digest() { grep -o '"settings_digest":"[0-9a-f]*"' "$1"; }
[ "$(digest "$work/2.json")" = "$(digest "$work/3.json")" ] || complain "the digest of the settings changes with the batch"
expect "a folder that is not there" 74 'error: cannot write there: No such file or directory \(.*absent/x.json.*give --output a file' \
  "${mpirun[@]}" "$msn" bench step "$source_dir/configs/quickstart.toml" "${tiny[@]}" --output "$work/absent/x.json"
expect "a folder instead of a file" 74 'error: cannot write there: Is a directory' \
  "$msn" bench optimizer "$source_dir/configs/quickstart.toml" "${tiny[@]}" --output "$work"
# What the table says is what the formula of --dry-run says.
flops=$("$msn" bench step "$source_dir/configs/quickstart.toml" "${tiny[@]}" --batch 4 --steps 1 --warm-up 0 --json |
  sed -n 's/.*"flops":\([0-9.e+]*\),.*/\1/p')
planned=$("$msn" train "$source_dir/configs/quickstart.toml" "${tiny[@]}" --set train.global_batch=4 --dry-run --json |
  sed -n 's/.*"flops_per_image_as_run":\([0-9.e+]*\),.*/\1/p')
case_name="operations"
awk -v a="$flops" -v b="$planned" 'BEGIN { exit !(b > 0 && a / (4 * b) > 0.999999 && a / (4 * b) < 1.000001) }' ||
  complain "a step has $flops operations, the plan has $planned an image"
expect "in float64" 0 '"precision":"fp64"' "$msn" bench step "$source_dir/configs/quickstart.toml" "${tiny[@]}" \
  --set train.precision=fp64 --batch 2 --steps 1 --warm-up 0 --json
expect "micro-batches that do not divide" 78 'train.micro_batch = 3 does not divide the images of a rank, 4' \
  "$msn" bench step "$source_dir/configs/quickstart.toml" "${tiny[@]}" --set train.micro_batch=3 --batch 4
expect "unknown key" 78 '^msn: error: unknown key' "$msn" bench step --set model.nothing=1
expect "no steps" 2 'steps' "$msn" bench step --steps 0
finish
