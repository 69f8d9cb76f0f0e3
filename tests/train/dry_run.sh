#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# msn train --dry-run with every shipped configuration, without data.
. "$(dirname "$0")/common.sh"
cd "$work" || exit 1

# dry CONFIG RANKS ARGUMENT...: a dry run that ends well.
dry() {
  local config=$1 ranks=$2
  shift 2
  expect "$config for $ranks ranks" 0 'operations' "$msn" train "$source_dir/configs/$config.toml" --dry-run --ranks "$ranks" "$@"
}
for model in s16 s16_no_sinkhorn b16 b8 b4 l16 l7; do
  dry "vit_$model" 64
done
dry vit_l7 128
expect_lines 1 'warning views.focal_size = 96 .* the last 5 pixels'
dry vit_l7 144 --set train.global_batch=1152
dry quickstart 2
dry cifar10 2 --images 50000
expect_lines 1 '781 an epoch, 4686 in 6 epochs'

train_refused() { # NAME CODE PATTERN ARGUMENTS...
  local name=$1 code=$2 pattern=$3
  shift 3
  refused "$name" "$code" "$pattern" "$msn" train "$source_dir/configs/vit_s16.toml" "$@"
}
train_refused "144 ranks" 78 'cannot be shared evenly by 144 ranks .*1008 or 1152' --dry-run --ranks 144
train_refused "no rank" 2 'ranks' --dry-run --ranks 0
train_refused "a word for ranks" 2 'ranks' --dry-run --ranks many
train_refused "ranks without a dry run" 2 'dry-run' --ranks 2 --run run
train_refused "a profile of no run" 2 'excludes' --dry-run --profile
train_refused "a profile of no steps" 2 '[-][-]profile' --run run --profile 0
train_refused "a profile of a replay" 2 'excludes' --run run --profile --replay bundle.json
train_refused "no run folder" 2 '[-][-]run is required'
train_refused "too few images" 78 'larger than the data set' --dry-run --images 100
train_refused "a mask of everything" 78 'mask_ratio' --dry-run --set views.mask_ratio=1
train_refused "a mask that leaves nothing" 78 'keeps none' --dry-run --set views.mask_ratio=0.996
echo "1 2 3" >weights.txt
train_refused "a prior that is too short" 78 '3 weights for 1024 prototypes' --dry-run --set loss.prior=weights.txt
train_refused "no such prior" 78 'loss.prior is' --dry-run --set loss.prior=absent.txt
dry vit_s16 64 --set views.mask_ratio=0.99
expect_lines 1 'random 2 '
dry vit_s16 64 --set views.mask_ratio=0
expect_lines 1 'random 197 '
dry vit_s16 64 --set views.focal=0
expect_lines 1 'focal 0$'

dry vit_s16 64 --set data.order=blockwise --set data.max_bad=0.01
expect_lines 1 'blockwise: blocks of 256 images, windows of 64 blocks'
expect_lines 1 'bad images +12811 an epoch are replaced'

use_ranks 2
expect "json" 0 '"flops_per_image":8' "${mpirun[@]}" "$msn" train "$source_dir/configs/vit_s16.toml" --dry-run --json
expect_lines 1 '"ranks":2'
finish
