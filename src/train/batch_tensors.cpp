// SPDX-License-Identifier: Apache-2.0
#include "train/batch_tensors.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>

#include "model/drop_path.hpp"
#include "model/patches.hpp"
#include "objective/masks.hpp"

namespace msn {
namespace {

ViewGroup make_group(const std::vector<at::Tensor>& views, std::int64_t patch, const at::Tensor& keep) {
  ViewGroup group;
  if (views.empty()) return group;
  group.grid = views.front().size(2) / patch;
  group.keep = keep;
  std::vector<at::Tensor> parts;
  for (std::size_t v = 0; v < views.size(); ++v) {
    at::Tensor rows = patch_rows(views[v], patch);
    if (keep.defined() && keep.dim() == 1) {
      rows = rows.index_select(1, keep);
    } else if (keep.defined()) {
      const at::Tensor mine = keep.narrow(0, static_cast<std::int64_t>(v) * rows.size(0), rows.size(0));
      rows = rows.gather(1, mine.unsqueeze(2).expand({-1, -1, rows.size(2)}));
    }
    parts.push_back(rows);
  }
  group.patches = at::cat(parts);
  return group;
}

}  // namespace

StepInput make_step_input(const std::vector<at::Tensor>& views, int random, const at::Tensor& keep,
                          std::int64_t patch) {
  const auto first_focal = views.begin() + 1 + random;
  StepInput input;
  input.target = make_group({views.front()}, patch, {});
  input.random = make_group({views.begin() + 1, first_focal}, patch, keep);
  input.focal = make_group({first_focal, views.end()}, patch, {});
  return input;
}

at::Tensor random_view_masks(const Config& config, std::uint64_t epoch, std::uint64_t position,
                             std::span<const std::uint64_t> samples) {
  const ViewsConfig& views = config.views;
  if (views.random == 0) return {};
  const std::int64_t side = views.random_size / config.model.patch_size;
  const std::int64_t patches = side * side;
  if (views.mask_per == MaskPer::image) {
    return image_masks(config.train.seed, epoch, samples, views.random, patches, views.mask_ratio);
  }
  // Every rank draws the same mask: its key is the position of the global batch, not of this rank's share.
  const std::uint64_t batch_start = position - position % static_cast<std::uint64_t>(config.train.global_batch);
  return batch_mask(config.train.seed, epoch, batch_start, patches, views.mask_ratio);
}

StepInput make_step_input(const Batch& batch, const Config& config, at::ScalarType type) {
  const auto samples = static_cast<std::int64_t>(batch.samples.size());
  std::vector<at::Tensor> views;
  for (std::size_t v = 0; v < batch.views.size(); ++v) {
    const std::int64_t size = batch.view_sizes[v];
    // from_blob wants a pointer to what it may write; nothing here writes to a view.
    auto* pixels = const_cast<float*>(batch.views[v].data());
    views.push_back(at::from_blob(pixels, {samples, 3, size, size}, at::kFloat).to(type));
  }
  const at::Tensor keep = random_view_masks(config, batch.epoch, batch.position, batch.samples);
  StepInput input = make_step_input(views, config.views.random, keep, config.model.patch_size);
  const auto branch_scale = [&](int first_view, int count) {
    const at::Tensor factors = drop_path_factors(config.train.seed, batch.epoch, batch.samples, first_view, count,
                                                 config.model.depth, config.model.drop_path);
    return factors.defined() ? factors.to(type) : factors;
  };
  input.random.branch_scale = branch_scale(1, config.views.random);
  input.focal.branch_scale = branch_scale(1 + config.views.random, config.views.focal);
  return input;
}

}  // namespace msn
