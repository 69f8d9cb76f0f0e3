#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/convert-pth there and back, and msn beside it: convert_pth.sh MSN SOURCE
# shellcheck source=tests/interop/common.sh
. "$(dirname "$0")/common.sh" "$@"
use_python "torch, safetensors" interop
cd "$work"
"$msn" export --weights "$source_dir/tests/golden/vit_tiny/transformers" --format official --output tiny
"${python[@]}" "$source_dir/tests/interop/check_convert.py" "$msn" "$source_dir/launch/convert-pth" \
  "$source_dir/tests/golden/vit_tiny/transformers"
