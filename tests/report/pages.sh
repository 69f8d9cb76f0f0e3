#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reports of real runs, looked at in a browser: pages.sh MSN SOURCE SCREENSHOTS MPIRUN...
screenshots=$3
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$1" "$2" "${@:4}"
use_ranks 2
limit_s=60
pack_tiny
long=("${tiny[@]}" --set train.epochs=20 --set checkpoint.every_steps=25)  # 240 steps
train=("${mpirun[@]}" "$msn" train "$config" "${long[@]}" "${data[@]}")

pages=()
# report NAME RUN...: makes a page, and notes how many charts it is said to have.
report() {
  local name=$1 charts
  shift
  expect "report of $name" 0 '"command":"report"' "$msn" report "$@" --output "$work/$name.html" --json
  charts=$(sed -n 's/.*"command":"report".*"charts":\([0-9]*\),.*/\1/p' "$work/out")
  [ "$(wc -c <"$work/$name.html")" -lt 5000000 ] || complain "the page has 5 MB or more"
  pages+=("$name=$work/$name.html=$charts")
}

# Two restarts. The name is one that no page may take for markup.
run="$work/<script>alert(1)<&\"'"
expect "first life" 0 "" "${train[@]}" --run "$run" --max-steps 75
expect "second life" 0 "" "${train[@]}" --run "$run" --max-steps 150
expect "third life" 0 "" "${train[@]}" --run "$run"
report restarts --images --sample 64 "$run"
[ "$(grep -o 'src="data:image/jpeg' "$work/restarts.html" | wc -l)" -ge 60 ] || complain "fewer than 60 pictures"
[ "$(grep -o 'began after step' "$work/restarts.html" | wc -l)" -ge 24 ] || complain "restarts are not marked"

expect "another run" 0 "" "${train[@]}" --run "$work/other" --set 'optim.lr=[2e-4,5e-4,1e-6]' --max-steps 180
report compared "$run" "$work/other"

mkdir "$work/empty"
cp "$run/config.toml" "$run/run.json" "$work/empty/"
report empty "$work/empty"

# At work: the page is made while the job is, which a file stops then.
case_name="a run at work"
"${train[@]}" --set train.epochs=20000 --run "$work/now" >"$work/now.log" 2>&1 &
job=$!
for ((i = 0; i < 300; i++)); do
  [ "$(cat "$work/now/metrics.jsonl" 2>/dev/null | wc -l)" -lt 60 ] || break
  sleep 0.1
done
"$msn" report "$work/now" --output "$work/now.html" --json >"$work/out" 2>"$work/err" || complain "the report failed"
touch "$work/now/stop"
wait "$job"
[ $? -eq 75 ] || complain "the run did not end with 75"
grep -q 'running, last heard of' "$work/now.html" || complain "the page does not say that the run is at work"
charts=$(sed -n 's/.*"command":"report".*"charts":\([0-9]*\),.*/\1/p' "$work/out")
pages+=("at-work=$work/now.html=$charts")

case_name="in the browser"
timeout -k 5 240 python3 "$source_dir/tests/report/check_pages.py" "$screenshots" "${pages[@]}" >"$work/out" 2>"$work/err" ||
  complain "the pages are not as they should be"
cat "$work/out"
expect_lines 4 '^looked at '
finish
