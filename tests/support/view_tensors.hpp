// SPDX-License-Identifier: Apache-2.0
// Steps on views that are tensors of pixels: recorded or made up.
#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "data/masks.hpp"
#include "model/patches.hpp"
#include "train/step.hpp"

namespace msn::test {

inline ViewGroup make_group(const std::vector<at::Tensor>& views, std::int64_t patch, const at::Tensor& keep) {
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

/// Puts views [samples, 3, size, size] (view 0 the target view, then `random` views, then the focal ones) into the
/// groups of a step. `keep` is the mask of the random views: int64 [kept], [random * samples, kept], or undefined.
inline StepInput make_step_input(const std::vector<at::Tensor>& views, int random, const at::Tensor& keep,
                                 std::int64_t patch) {
  const auto first_focal = views.begin() + 1 + random;
  StepInput input;
  input.target = make_group({views.front()}, patch, {});
  input.random = make_group({views.begin() + 1, first_focal}, patch, keep);
  input.focal = make_group({first_focal, views.end()}, patch, {});
  return input;
}

inline at::Tensor index_tensor(const std::vector<std::int64_t>& values) {
  const at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<std::int64_t>());
  return out;
}

/// One mask an anchor image: int64 [views * samples, kept], view-major; seed 0, epoch 0.
inline at::Tensor image_masks(std::span<const std::uint64_t> samples, int views, std::int64_t patches,
                              double mask_ratio) {
  std::vector<std::int64_t> all;
  for (int view = 1; view <= views; ++view) {
    for (const std::uint64_t sample : samples) {
      const auto kept = image_mask(0, 0, sample, view, patches, mask_ratio);
      all.insert(all.end(), kept.begin(), kept.end());
    }
  }
  return index_tensor(all).unflatten(0, {static_cast<std::int64_t>(samples.size()) * views, -1});
}

}  // namespace msn::test
