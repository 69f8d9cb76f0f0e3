#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `launch/scaling-study` of a tiny model on one rank and on two, killed in between: scaling_study.sh MSN SOURCE
msn=$1
source_dir=$2
# shellcheck source=tests/faults/common.sh
. "$(dirname "$0")/../faults/common.sh"
limit_s=90  # Of several jobs, on a machine that may be busy.
study=$work/$marker
results() { find "$study" -name result.json 2>/dev/null | wc -l; }
echo 'mpirun.options = ["--oversubscribe"]' >"$work/site.toml"  # A machine may have one core.
settings=()
for value in model.width=32 model.depth=2 model.heads=2 model.head_hidden=32 model.head_out=16 model.prototypes=16 views.focal=2; do
  settings+=(--set "$value")
done
how=(--msn "$msn" --site "$work/site.toml" --sum-max 64KiB)
whole=("$source_dir/launch/scaling-study" "$study" --config "$source_dir/configs/quickstart.toml" "${settings[@]}" --ranks 1,2
  --batch 2 --global-batch 4 --repeats 1 --steps 4 --warm-up 1 "${how[@]}")

case_name="killed"
: >"$work/out"
: >"$work/err"
"${whole[@]}" >"$work/out" 2>"$work/err" &
killed=$!
for ((i = 0; i < 1200; i++)); do
  [ "$(results)" -lt 3 ] || break
  sleep 0.1
done
kill -9 $killed
wait $killed 2>/dev/null
before=$(results)
[ "$before" -eq 3 ] || complain "$before of 4 jobs were measured when it was killed"
for ((i = 0; i < 100; i++)); do
  [ -n "$(leftovers)" ] || break
  sleep 0.1
done
[ -z "$(leftovers)" ] || complain "what it had started lives on"
measured=$(find "$study" -name result.json -exec stat -c '%n %i' {} + | sort)

expect "goes on" 0 '^## quickstart, strong, 4 images$' "$source_dir/launch/scaling-study" "$study" "${how[@]}"
expect_lines 0 '[Jj]obs without a result|Not every point has a plan'
expect_lines 4 '^\| +[12] \| +[24] \| +[0-9.]+( \*)? \| +\[[0-9.]+, [0-9.]+\] \| .* % \| +\[[0-9.]+ %, [0-9.]+ %\] \|$'
expect_lines 4 '^\| +[12] \| +[0-9.]+ % \| .* [0-9.]+ \([0-9.]+\) \| +[0-9.]+ \([0-9.]+\) \|$'
for line in $measured; do
  [[ $line != /* ]] || path=$line
  [[ $line == /* ]] || [ "$(stat -c %i "$path")" = "$line" ] || complain "$path was measured again"
done
python3 - "$study" <<'END' || complain "the files do not agree with the table"
import csv, json, os, sys, xml.etree.ElementTree
study = sys.argv[1]
rows = list(csv.DictReader(open(os.path.join(study, "points.csv"))))
assert [(row["scaling"], row["ranks"], row["images_a_rank"]) for row in rows] == [
    ("weak", "1", "2"), ("weak", "2", "2"), ("strong", "1", "4"), ("strong", "2", "2")], rows
times = {(row["scaling"], row["ranks"]): float(row["step_seconds"]) for row in rows}
for row in rows:
    base, time = times[row["scaling"], "1"], times[row["scaling"], row["ranks"]]
    wanted = base / time / (1 if row["scaling"] == "weak" else int(row["ranks"]))
    assert abs(float(row["efficiency"]) - wanted) < 1e-6, row
    assert float(row["planned_step_seconds"]) > 0 and 0.9 < float(row["planned_memory_over_measured"]) < 1.1, row
lines = [json.loads(line) for line in open(os.path.join(study, "runs.jsonl"))]
assert sorted(line["command"] for line in lines) == ["bench allreduce"] + ["bench step"] * 3
assert len({line["provenance"]["settings_digest"] for line in lines if line["command"] == "bench step"}) == 1
assert len(open(os.path.join(study, "steps.csv")).readlines()) == 1 + 3 * 4
for name in ("speed-up.svg", "efficiency.svg", "parts-1.svg", "parts-2.svg", "planned.svg"):
    xml.etree.ElementTree.parse(os.path.join(study, name))
END
expect "other settings" 2 'error: the study began with steps 4, and now it would be 5' \
  "$source_dir/launch/scaling-study" "$study" "${how[@]}" --steps 5
# A result of another build, or another machine.
some=$(find "$study" -path '*ranks-0002-batch*' -name result.json)
sed -i 's/"version":"[^"]*"/"version":"9.9 (other)"/' "$some"
expect "another version" 2 'error: the version of msn is 9.9 \(other\), and .* \(.*ranks-0002.*result.json\): measurements that differ' \
  "$source_dir/launch/scaling-study" "$study" "${how[@]}"
finish
