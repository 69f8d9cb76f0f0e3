#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lines of docs/formats.md that read a run's metrics with pandas and with TensorBoard's own reader, as they stand
# there, on a run of two lives: metrics_lines.sh MSN SOURCE
# shellcheck source=tests/interop/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_python "pandas, tensorboard" interop-metrics

for name in tests/interop/metrics_lines.sh "tests/interop/metrics_lines.sh too"; do
  lines_of "$source_dir/docs/formats.md" "$name" >>"$work/lines.py"
done

cd "$work"
"$msn" pack --input 'synthetic:shapes?images=96&size=40&seed=1' --output data
# A second life that goes back to step 20 and another way from there, for the monitors to have something to say.
train=("$msn" train "$source_dir/configs/quickstart.toml" --data data --run runs/first --set train.global_batch=8
  --set train.epochs=20 --set model.width=32 --set model.depth=2 --set model.head_hidden=32 --set model.head_out=16
  --set model.prototypes=16 --set checkpoint.every_steps=20 --set checkpoint.keep=4 --set optim.warmup_epochs=1)
"${train[@]}" --max-steps 50
"${train[@]}" --max-steps 130 --resume 20
"$msn" inspect runs/first --csv runs/first.csv
"${python[@]}" "$source_dir/tests/interop/check_metrics.py" lines.py
