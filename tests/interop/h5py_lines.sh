#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lines of docs/formats.md that read a shard with h5py, as they stand there: h5py_lines.sh MSN SOURCE
set -euo pipefail
msn=$1
source_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck source=tests/interop/python.sh
. "$source_dir/tests/interop/python.sh"
use_python "h5py, PIL.Image" interop

lines_of "$source_dir/docs/formats.md" tests/interop/h5py_lines.sh >"$work/lines.py"
if [[ ! -s $work/lines.py ]]; then
  echo "FAIL: docs/formats.md has no block of lines behind the comment that this test looks for"
  exit 1
fi

cd "$work"
"$msn" pack --input 'synthetic:shapes?images=200' --output data/shapes
"$msn" inspect data/shapes --statistics --json >facts.json
"$msn" subset --data data/shapes --per-class 3 --seed 1 --output list.csv
"${python[@]}" "$source_dir/tests/interop/check_lines.py" lines.py
