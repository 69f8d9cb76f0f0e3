#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the lines of docs/weights.md that load a network elsewhere, as they stand there, on one that was trained for a
# moment, and compares what each makes of pictures with what our network does:
# weights_lines.sh MSN SOURCE CLASS_TOKENS
# shellcheck source=tests/interop/common.sh
. "$(dirname "$0")/common.sh" "$@"
class_tokens=$3

cd "$work"
"$msn" pack --input 'synthetic:shapes?images=64&size=40&seed=1' --output data/photos >pack.log
# A mean and a deviation of its own, which must arrive.
"$msn" train "$source_dir/configs/quickstart.toml" --data data/photos --run runs/photos --max-steps 4 \
  --set train.global_batch=8 --set train.epochs=2 --set optim.warmup_epochs=1 --set checkpoint.every_steps=0 \
  --set 'views.mean=[0.5, 0.25, 0.125]' --set 'views.std=[0.25, 0.5, 0.75]' >train.log 2>&1 || {
  cat train.log
  exit 1
}
"$msn" export --run runs/photos --format hf --output photos-hf
"$msn" export --run runs/photos --format timm --output photos-timm
"$msn" export --run runs/photos --format official --output photos-official
"$msn" export --run runs/photos --format onnx --output photos-onnx
"$msn" export --weights "$source_dir/tests/golden/vit_tiny/transformers" --format onnx --output tiny-onnx

check() { # KIND LIST...
  local kind=$1
  shift
  lines_of "$source_dir/docs/weights.md" "tests/interop/weights_lines.sh $kind" >lines.py
  use_python "h5py, torch" "$@"
  "${python[@]}" "$source_dir/tests/interop/check_weights.py" "$kind" lines.py "$class_tokens"
}
check transformers interop
check transformers interop-older interop
check timm interop
check onnxruntime interop
check h5py interop
