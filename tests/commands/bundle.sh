#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What cmake --install makes, moved elsewhere: bundle.sh MSN SOURCE MPIRUN..., with CMAKE, BUILD and TORCH (the folder of
# LibTorch) in the environment.
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/../train/common.sh" "$@"
unset Torch_ROOT LD_LIBRARY_PATH
use_ranks 2
cd "$work" || exit 1

expect "install" 0 'The bundle demands glibc 2' "$CMAKE" --install "$BUILD" --prefix "$work/made"
mv "$work/made" "$work/bundle"
bundle=$work/bundle
with=$bundle/launch/with-libtorch

case_name="run paths"
for program in "$bundle"/libexec/msn/msn "$bundle"/tests/trace_replay; do
  path=$(readelf -d "$program" | sed -n 's/.*R\(UN\|\)PATH.*\[\(.*\)\]/\2/p')
  # shellcheck disable=SC2016  # the loader expands it
  [[ $path == '$ORIGIN/../../lib' || $path == '$ORIGIN/../lib' ]] || complain "$program looks for libraries in $path"
done

# Where the loader finds everything.
Torch_ROOT=$TORCH "$with" /usr/bin/env LD_TRACE_LOADED_OBJECTS=1 "$bundle/libexec/msn/msn" >loaded.txt
case_name="libraries"
grep -q libhdf5 loaded.txt || complain "no libraries were listed"
if grep -e 'not found' -e "$BUILD/" loaded.txt; then complain "of these libraries"; fi
found=$(sed -n 's/.*libhdf5[^ ]* => \([^ ]*\) .*/\1/p' loaded.txt)
[[ $found == "$bundle"/lib/* ]] || complain "HDF5 comes from $found"

export OMP_NUM_THREADS=1
expect "version" 0 "^LibTorch +$(sed -n 's/^torch=//p' "$bundle/lib/msn-build.txt")" \
  env Torch_ROOT="$TORCH" "$bundle/bin/msn" --version
expect "training" 0 'done after step 2 of' "${mpirun[@]}" env Torch_ROOT="$TORCH" "$bundle/bin/msn" train \
  "$bundle/configs/quickstart.toml" "${tiny[@]}" --set data.input=synthetic --max-steps 2 --run "$work/run"
expect "a job script" 0 "^program=.*/bundle/bin/msn" "$bundle/launch/msn-launch" --dry-run --scheduler slurm --cpus-per-rank 2 \
  -- "$bundle/configs/quickstart.toml" --run "$work/job"
expect "a scaling study" 0 "^new: .*/bundle/launch/msn-launch .*--command 'bench step' " "$bundle/launch/scaling-study" "$work/study" \
  --config "$bundle/configs/quickstart.toml" --ranks 1,2 --batch 2 --dry-run
if grep -q trace_w1_fp32_gpu "$bundle/CTestTestfile.cmake"; then  # A build with CUDA; GPUs are hidden.
  expect "the tests in it" 8 'no device was found' env CUDA_VISIBLE_DEVICES= Torch_ROOT="$TORCH" \
    ctest --test-dir "$bundle" -R '^trace_w1_fp32_gpu$' --output-on-failure
fi
ln -s "$TORCH" "$bundle/libtorch"
expect "LibTorch in the bundle" 0 '^msn +' "$bundle/bin/msn" --version
rm "$bundle/libtorch"

# unfit NAME PATTERN: the fake LibTorch in fake/ will not do.
unfit() {
  expect "$1" 2 "$2" env Torch_ROOT="$work/fake" "$bundle/bin/msn" --version
  expect_lines 1 '^msn: error'
}
wanted=$(sed -n 's/^torch=//p' "$bundle/lib/msn-build.txt")
unfit "no LibTorch" "LibTorch $wanted, .* not found \($work/fake has no lib/libtorch_cpu.so\): set Torch_ROOT"
mkdir -p fake/lib
: >fake/lib/libtorch_cpu.so
: >fake/lib/libc10.so
echo "__version__ = '2.6.0+cpu'" >fake/version.py
unfit "another version" "$work/fake is 2.6.0\): set Torch_ROOT to the folder of a LibTorch $wanted"
echo "__version__ = '$wanted+cpu'" >fake/version.py
unfit "another ABI" "has another C\+\+ ABI"
rm fake/version.py
echo "$wanted+cpu" >fake/build-version
unfit "an official LibTorch of another ABI" "has another C\+\+ ABI"

# A program that wants a library that nobody has, until the bundle has it.
LC_ALL=C sed 's/libxxhash\.so\.0/libxxhasX.so.0/' "$bundle/libexec/msn/msn" >"$bundle/libexec/msn/odd"
chmod +x "$bundle/libexec/msn/odd"
odd=(env Torch_ROOT="$TORCH" "$with" "$bundle/libexec/msn/odd" --version)
expect "a library that is missing" 2 'this system lacks libxxhasX.so.0 \(.*load the modules' "${odd[@]}"
expect_lines 1 '^msn: error'
mkdir "$bundle/lib/fallback/libxxhasX.so.0"
cp "$bundle/lib/libxxhash.so.0" "$bundle/lib/fallback/libxxhasX.so.0/libxxhasX.so.0"
expect "a library of the fallback" 0 '^msn +' "${odd[@]}"

expect "no program" 2 "no such program" env Torch_ROOT="$TORCH" "$with" "$work/absent"
expect "help" 0 '^Usage' "$with" --help
expect "in the source tree" 2 'this is no bundle' "$source_dir/launch/with-libtorch" true
finish
