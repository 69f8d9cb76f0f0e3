#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/convert-pth there and back, and msn beside it: convert_pth.sh MSN SOURCE
set -euo pipefail
msn=$1
source_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/interop/python.sh
. "$source_dir/tests/interop/python.sh"
use_python "torch, safetensors" interop
cd "$work"
"$msn" export --weights "$source_dir/tests/golden/vit_tiny/transformers" --format official --output tiny
"${python[@]}" "$source_dir/tests/interop/check_convert.py" "$msn" "$source_dir/launch/convert-pth" \
  "$source_dir/tests/golden/vit_tiny/transformers"
