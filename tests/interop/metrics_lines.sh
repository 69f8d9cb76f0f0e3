#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lines of docs/formats.md that read a run's metrics with pandas and with TensorBoard's own reader, as they stand
# there, on a run of two lives: metrics_lines.sh MSN SOURCE
set -euo pipefail
msn=$1
source_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# launch/setup puts the packages here; a Python that has them by itself does as well.
packages=$source_dir/.deps/interop-metrics
python=
for candidate in "env PYTHONPATH=$packages python3.11" python3 /usr/bin/python3; do
  if $candidate -c 'import pandas, tensorboard' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [[ -z $python ]]; then
  echo "FAIL: this test needs Python with pandas and tensorboard: launch/setup --interop installs them"
  exit 1
fi

# The fenced blocks behind the comments that name this script.
awk -v marker='<!-- tests/interop/metrics_lines.sh runs these lines -->' '
  $0 == marker { found = 1; next }
  found && /^```python$/ { inside = 1; next }
  inside && /^```$/ { inside = 0; found = 0; next }
  inside { print }' "$source_dir/docs/formats.md" >"$work/lines.py"
if (($(grep -c '^import\|^from' "$work/lines.py") < 2)); then
  echo "FAIL: docs/formats.md has no two blocks of lines behind the comments that this test looks for"
  exit 1
fi

cd "$work"
"$msn" pack --input 'synthetic:shapes?images=96&size=40&seed=1' --output data
# A second life that goes back to step 20 and another way from there, for the monitors to have something to say.
train=("$msn" train "$source_dir/configs/quickstart.toml" --data data --run runs/first --set train.global_batch=8
  --set train.epochs=20 --set model.width=32 --set model.depth=2 --set model.head_hidden=32 --set model.head_out=16
  --set model.prototypes=16 --set checkpoint.every_steps=20 --set checkpoint.keep=4 --set optim.warmup_epochs=1)
"${train[@]}" --max-steps 50
"${train[@]}" --max-steps 130 --resume 20
"$msn" inspect runs/first --csv runs/first.csv
# shellcheck disable=SC2086
$python "$source_dir/tests/interop/check_metrics.py" lines.py
