#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lines of docs/formats.md that read a shard with h5py, as they stand there: h5py_lines.sh MSN SOURCE
# shellcheck source=tests/interop/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_python "h5py, PIL.Image" interop

lines_of "$source_dir/docs/formats.md" tests/interop/h5py_lines.sh >"$work/lines.py"

cd "$work"
"$msn" pack --input 'synthetic:shapes?images=200' --output data/shapes
"$msn" inspect data/shapes --statistics --json >facts.json
"$msn" subset --data data/shapes --per-class 3 --seed 1 --output list.csv
"${python[@]}" "$source_dir/tests/interop/check_lines.py" lines.py
