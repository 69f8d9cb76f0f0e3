#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What launch/container names is there: container.sh SOURCE
set -u
cd "$1" || exit 1
docker=launch/container/Dockerfile
apptainer=launch/container/msn.def
failures=0
complain() {
  echo "FAIL $*"
  failures=$((failures + 1))
}

# The same sources go into both images, and they are there.
from_docker=$(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' "$docker" | tr ' ' '\n' | sort)
from_apptainer=$(sed -n 's/^    \([^ ]*\) \/src\/.*/\1/p' "$apptainer" | sort)
[ -n "$from_docker" ] || complain "$docker copies nothing"
[ "$from_docker" = "$from_apptainer" ] || complain "other sources: $docker: $from_docker; $apptainer: $from_apptainer"
for path in $from_docker; do
  [ -e "$path" ] || complain "no such path in the sources: $path"
done
# All that CMake includes when it builds no tests is among them.
for path in cmake configs datasets docs src launch/with-libtorch; do
  grep -qx "${path%%/*}" <<<"$from_docker" || complain "$path is not copied"
done

for recipe in "$docker" "$apptainer"; do
  [ "$(wc -l <"$recipe")" -le 70 ] || complain "$recipe is too long to be seen through"
  # Scripts, and flags that they know.
  scripts=$(grep -o 'launch/[a-z]*' "$recipe" | grep -v launch/container | sort -u)
  [ "$scripts" = $'launch/build\nlaunch/setup' ] || complain "$recipe runs $scripts"
  for script in $scripts; do
    [ -x "$script" ] || complain "$recipe runs $script, which is no program"
  done
  launch/setup --help | grep -q -- '--cuda' || complain "launch/setup has no --cuda"
  grep -q 'MSN_TESTS=OFF' "$recipe" || complain "$recipe builds the tests"
  grep -q 'option(MSN_TESTS ' CMakeLists.txt || complain "CMakeLists.txt has no MSN_TESTS"
  # Presets.
  for preset in release cuda; do
    grep -q "\"name\": \"$preset\", \"inherits\"" CMakePresets.json || complain "there is no preset $preset"
  done
  grep -qi 'preset=release' "$recipe" || complain "$recipe does not build release"
  # Packages: those of launch/setup and no others.
  known=$(sed -n '/^wanted=(/,/)/p; /wanted+=(/p' launch/setup | sed 's/.*(//; s/).*//')
  packages=$(sed -n 's/.*apt-get install -q -y --no-install-recommends \([^&]*\).*/\1/p' "$recipe")
  [ -n "$packages" ] || complain "$recipe installs nothing"
  for package in $packages; do
    grep -qwF -- "$package" <<<"$known" || complain "$recipe installs $package, launch/setup does not"
  done
  # The system of the bundle's promises, for both images.
  [ "$(grep -ciE '^from:? debian:12-slim' "$recipe")" -eq 2 ] || complain "$recipe is not of Debian 12"
  # Tests of the image, by names that msn has.
  grep -q -- '--self-test' "$recipe" || complain "$recipe does not test its image"
  grep -qiE 'password|token|secret' "$recipe" && complain "$recipe names a secret"
done
grep -q '^USER msn$' "$docker" || complain "$docker runs as root"
[ "$failures" -eq 0 ] || exit 1
