#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `msn report`: report.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"
use_ranks 2
limit_s=60
pack_tiny
report=("$msn" report)
page=$work/page.html

# holds NAME PATTERN: the last page has a line that matches.
holds() {
  case_name=$1
  grep -Eq -- "$2" "$page" || complain "no '$2' in the page"
}

expect "help" 0 '^Example' "${report[@]}" --help

# A run of two lives on two ranks, looked at between them and at its end.
train=("${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}")
expect "first life" 75 "" "${train[@]}" --run "$work/run" --max-seconds 0.001
expect "between two lives" 0 'page.html: 1 run, [0-9]+ charts, 0\.[0-9]+ MB$' "${report[@]}" "$work/run" --output "$page"
expect "second life" 0 "" "${train[@]}" --run "$work/run" --resume auto
expect "at the end, on two ranks" 0 '"command":"report".*"state":"done","steps":24,"last_step":24,"lives":2,"notes":\[\]' \
  "${mpirun[@]}" "${report[@]}" "$work/run" --output "$page" --json
holds "both lives" '<tr><th scope="row">2</th>'
holds "a restart" 'life 2 began after step [0-9]+<'
holds "its ranks" 'slowest rank, computing'
holds "its settings" '<th scope="row">train.global_batch</th><td>8</td><td>1024</td>'
[ "$(grep -o '<figure class="chart"' "$page" | wc -l)" -ge 12 ] || complain "fewer than 12 charts"
[ "$(grep -o 'class="line s0"' "$page" | wc -l)" -ge 12 ] || complain "charts without lines"

expect "another run" 0 "" "${train[@]}" --run "$work/<b>other" --max-steps 10 --set optim.clip=1
expect "two runs" 0 '2 runs' "${report[@]}" "$work/run" "$work/<b>other" --output "$page"
holds "what differs" '<th scope="row">optim.clip</th><td><mark>3.0</mark></td><td><mark>1.0</mark></td>'
! grep -q '<b>other' "$page" || complain "a name became markup"

# Pictures, only where they are asked for.
grep -q 'data:image' "$page" && complain "pictures that nobody asked for"
expect "pictures" 0 '1 run' "${report[@]}" "$work/run" --output "$page" --images --sample 40
holds "views" '<h4>Views of step 2[34]</h4>'
holds "neighbours" 'Prototype [0-9]+: the most likely one of [0-9]+ images'
holds "what the network is" 'target network of step-00000024'
[ "$(grep -o 'src="data:image/jpeg;base64,/9j/' "$page" | wc -l)" -ge 60 ] || complain "fewer than 60 pictures"
expect "pictures of two runs, on two ranks" 0 '2 runs' \
  "${mpirun[@]}" "${report[@]}" "$work/run" "$work/<b>other" --output "$page" --images --data "$work/data" --sample 40
[ "$(wc -c <"$page")" -lt 5000000 ] || complain "the page has 5 MB or more"

# What runs may look like.
mkdir "$work/empty"
cp "$work/run/config.toml" "$work/run/run.json" "$work/empty/"
expect "an empty run" 0 '1 run, 0 charts' "${report[@]}" "$work/empty" --output "$page"
holds "that it is empty" 'no step is recorded yet'
cp -r "$work/run" "$work/damaged"
echo '{"step": 2' >>"$work/damaged/metrics.jsonl"
printf '{"step": 30, "loss"' >>"$work/damaged/metrics.jsonl"
echo '{' >"$work/damaged/run.json"
expect "a damaged run" 0 'left out of metrics.jsonl: 1 line that could not be read, the first of them line 25$' \
  "${report[@]}" "$work/damaged" --output "$page"
expect_lines 1 'run.json could not be read: it is not valid JSON$'
expect_lines 1 'the last line of metrics.jsonl has no end'

# A long run: its page is small, and soon made.
mkdir "$work/long"
line=$(tail -n 1 "$work/run/metrics.jsonl" | sed 's/^{"step":[0-9]*,//')
seq 200000 | sed "s|.*|{\"step\":&,\"x\":0.&,$line|" >"$work/long/metrics.jsonl"
expect "200,000 steps" 0 '"steps":200000' "${report[@]}" "$work/long" --output "$page" --json
[ "$(wc -c <"$page")" -lt 1000000 ] || complain "the page of a long run has $(wc -c <"$page") bytes"

# What is refused, and what is left alone then.
refused "no run" 74 'there is no such run .*nowhere\): check the path' "${report[@]}" "$work/nowhere" --output "$page"
refused "a data set" 74 'not a run folder' "${report[@]}" "$work/data" --output "$page"
refused "one of two is none" 74 'not a run folder' "${report[@]}" "$work/run" "$work/data" --output "$work/new.html"
[ ! -e "$work/new.html" ] || complain "a page was written all the same"
before=$(cksum <"$work/run/metrics.jsonl")
refused "a file of the run as output" 2 'no report of msn, which is not replaced .*metrics.jsonl\): give another --output' \
  "${report[@]}" "$work/run" --output "$work/run/metrics.jsonl"
[ "$(cksum <"$work/run/metrics.jsonl")" = "$before" ] || complain "the metrics were touched"
refused "a folder as output" 2 'no report of msn' "${report[@]}" "$work/run" --output "$work/run"
refused "a folder that is not there" 74 'cannot write the output: .*nowhere/page.html' \
  "${report[@]}" "$work/run" --output "$work/nowhere/page.html"
expect "no output" 2 '--output is required' "${report[@]}" "$work/run"
expect "no runs" 2 'RUN is required' "${report[@]}" --output "$page"
refused "pictures of data that are not there" 74 'nowhere' \
  "${report[@]}" "$work/run" --output "$work/new.html" --images --data "$work/nowhere"
[ ! -e "$work/new.html" ] || complain "a page was written all the same"
mkdir "$work/bare"
cp "$work/run/metrics.jsonl" "$work/bare/"
refused "pictures without a configuration" 74 'there is no config.toml \(.*bare\): leave --images out' \
  "${report[@]}" "$work/bare" --output "$work/new.html" --images
expect "pictures of many runs" 2 'pictures are of at most 3 runs' \
  "${report[@]}" "$work/run" "$work/run" "$work/run" "$work/run" --output "$page" --images
expect "data without pictures" 2 '--data requires --images' "${report[@]}" "$work/run" --output "$page" --data "$work/data"
thirteen=()
for ((i = 0; i < 13; i++)); do thirteen+=("$work/run"); done
expect "too many runs" 2 'RUN' "${report[@]}" "${thirteen[@]}" --output "$page"
[ -z "$(find "$work" -maxdepth 1 -name '*.tmp*')" ] || complain "half-written pages were left"
finish
