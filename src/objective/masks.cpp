// SPDX-License-Identifier: Apache-2.0
#include "objective/masks.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "base/random.hpp"

namespace msn {
namespace {

/// View number under which the mask of a whole batch is drawn; no real view has it.
constexpr std::uint32_t kWholeBatch = (1u << 24) - 1;

void draw(RandomStream stream, std::int64_t patches, std::int64_t kept, std::int64_t* out) {
  const auto order = stream.permutation(static_cast<std::uint32_t>(patches));
  std::copy_n(order.begin(), kept, out);
}

}  // namespace

std::int64_t kept_patches(std::int64_t patches, double mask_ratio) {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(patches) * (1.0 - mask_ratio)));
}

at::Tensor batch_mask(std::uint64_t seed, std::uint64_t epoch, std::uint64_t first_position, std::int64_t patches,
                      double mask_ratio) {
  if (mask_ratio == 0) return {};
  const std::int64_t kept = kept_patches(patches, mask_ratio);
  const at::Tensor keep = at::empty({kept}, at::kLong);
  draw(RandomStream(seed, epoch, first_position, kWholeBatch, Purpose::mask), patches, kept,
       keep.mutable_data_ptr<std::int64_t>());
  return keep;
}

at::Tensor image_masks(std::uint64_t seed, std::uint64_t epoch, std::span<const std::uint64_t> samples, int views,
                       std::int64_t patches, double mask_ratio) {
  if (mask_ratio == 0) return {};
  const std::int64_t kept = kept_patches(patches, mask_ratio);
  const auto images = static_cast<std::int64_t>(samples.size()) * views;
  const at::Tensor keep = at::empty({images, kept}, at::kLong);
  std::int64_t* out = keep.mutable_data_ptr<std::int64_t>();
  for (int view = 1; view <= views; ++view) {  // View 0 is the target view, which is never masked.
    for (const std::uint64_t sample : samples) {
      draw(RandomStream(seed, epoch, sample, static_cast<std::uint32_t>(view), Purpose::mask), patches, kept, out);
      out += kept;
    }
  }
  return keep;
}

}  // namespace msn
