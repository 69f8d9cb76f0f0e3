#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lines of docs/formats.md that read a file of features with h5py, as they stand there, and compares with
# NumPy's reading of the .npy file: feature_lines.sh MSN SOURCE
# shellcheck source=tests/interop/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_python "h5py, numpy" interop

lines_of "$source_dir/docs/formats.md" tests/interop/feature_lines.sh >"$work/lines.py"

cd "$work"
"$msn" pack --input 'synthetic:shapes?images=60&size=40' --output data/shapes
"$msn" train "$source_dir/configs/quickstart.toml" --data data/shapes --run runs/tiny --max-steps 1 \
  --set train.global_batch=8 --set model.width=32 --set model.depth=2 --set model.heads=2 --set views.focal=1
"$msn" features --run runs/tiny --data data/shapes --output shapes.h5
"$msn" features --run runs/tiny --data data/shapes --output shapes.npy
"$msn" features --run runs/tiny --data data/shapes --output first.npy --layer 1 --final-norm before
"$msn" features --run runs/tiny --data data/shapes --output both.npy --blocks 2 --final-norm before
"${python[@]}" "$source_dir/tests/interop/check_feature_lines.py" lines.py
