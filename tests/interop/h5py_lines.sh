#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lines of docs/formats.md that read a shard with h5py, as they stand there: h5py_lines.sh MSN SOURCE
set -euo pipefail
msn=$1
source_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The Python in the path may be one without packages, and the distribution's have them.
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c 'import h5py, PIL.Image' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [[ -z $python ]]; then
  echo "FAIL: this test needs python3 with h5py and Pillow: launch/setup --interop installs them"
  exit 1
fi

# The fenced block behind the comment that names this script.
awk -v marker='<!-- tests/interop/h5py_lines.sh runs these lines -->' '
  $0 == marker { found = 1; next }
  found && /^```python$/ { inside = 1; next }
  inside && /^```$/ { exit }
  inside { print }' "$source_dir/docs/formats.md" >"$work/lines.py"
if [[ ! -s $work/lines.py ]]; then
  echo "FAIL: docs/formats.md has no block of lines behind the comment that this test looks for"
  exit 1
fi

cd "$work"
"$msn" pack --input 'synthetic:shapes?images=200' --output data/shapes
"$msn" inspect data/shapes --statistics --json >facts.json
"$msn" subset --data data/shapes --per-class 3 --seed 1 --output list.csv
"$python" "$source_dir/tests/interop/check_lines.py" lines.py
