// SPDX-License-Identifier: Apache-2.0
#include "train/batch_tensors.hpp"

#include <ATen/ops/from_blob.h>

#include "model/drop_path.hpp"
#include "model/kernel_types.hpp"

namespace msn {
namespace {

ViewGroup make_group(const ViewRows& rows, const Batch& batch, const Config& config, at::ScalarType type) {
  ViewGroup group;
  if (rows.views == 0) return group;
  const std::int64_t images = rows.views * static_cast<std::int64_t>(batch.samples.size());
  const std::int64_t values = std::int64_t{3} * config.model.patch_size * config.model.patch_size;
  group.grid = rows.grid;
  // from_blob wants pointers to what it may write; nothing here writes.
  group.patches =
      at::from_blob(const_cast<float*>(rows.rows.data()), {images, rows.visible, values}, at::kFloat).to(type);
  if (!rows.keep.empty()) {
    const auto kept = static_cast<std::int64_t>(rows.keep.size());
    group.keep = at::from_blob(const_cast<std::int64_t*>(rows.keep.data()), {kept}, at::kLong).clone();
    if (kept != rows.visible) group.keep = group.keep.unflatten(0, {images, rows.visible});
  }
  return group;
}

}  // namespace

at::Tensor branch_scale(const Batch& batch, const Config& config, int first_view, int views, at::ScalarType type) {
  const at::Tensor factors = drop_path_factors(config.train.seed, batch.epoch, batch.samples, first_view, views,
                                               config.model.depth, config.model.drop_path);
  return factors.defined() ? factors.to(accumulate_type(type)) : factors;
}

StepInput make_step_input(const Batch& batch, const Config& config, at::ScalarType type) {
  StepInput input;
  input.target = make_group(batch.target, batch, config, type);
  input.random = make_group(batch.random, batch, config, type);
  input.focal = make_group(batch.focal, batch, config, type);
  input.random.branch_scale = branch_scale(batch, config, 1, config.views.random, type);
  input.focal.branch_scale = branch_scale(batch, config, 1 + config.views.random, config.views.focal, type);
  return input;
}

}  // namespace msn
