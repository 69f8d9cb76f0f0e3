# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Shared by the tests that run other programs; sourced with MSN SOURCE ... as arguments. They have an empty folder, $work,
# and a Python with the packages of launch/setup --interop.
set -euo pipefail
msn=$1
source_dir=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# use_python MODULES LIST...: sets `python`, an array to be called as "${python[@]}"; of the lists of launch/ that are
# named the first wins. For instance `use_python "torch, timm" interop-older interop`; the modules must load.
use_python() {
  local modules=$1 folders=() list
  shift
  for list in "$@"; do
    folders+=("$source_dir/.deps/$list")
  done
  # The folder that holds LibTorch's Python part.
  folders+=("${TORCH_PYTHON:-$source_dir/.deps}")
  local IFS=:
  # Nothing is asked of the network.
  python=(env "PYTHONPATH=${folders[*]}" PYTHONNOUSERSITE=1 HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
    TRANSFORMERS_VERBOSITY=error TQDM_DISABLE=1 OMP_NUM_THREADS=1 python3.11)
  if ! "${python[@]}" -c "import $modules"; then
    echo "FAIL: this test needs Python 3.11 with $modules: launch/setup --interop installs them"
    exit 1
  fi
}

# lines_of FILE NAME: the fenced block of a page of documentation behind the comment that names it; not in a subshell,
# for a page without it ends the test.
lines_of() {
  local lines
  lines=$(awk -v marker="<!-- $2 runs these lines -->" '
    $0 == marker { found = 1; next }
    found && /^```python$/ { inside = 1; next }
    inside && /^```$/ { exit }
    inside { print }' "$1")
  if [[ -z $lines ]]; then
    echo "FAIL: $1 has no block of lines behind the comment '$2 runs these lines'" >&2
    exit 1
  fi
  echo "$lines"
}
