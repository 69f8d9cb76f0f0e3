// SPDX-License-Identifier: Apache-2.0
#include "data/masks.hpp"

#include <cmath>
#include <numeric>

#include "base/random.hpp"
#include "data/views.hpp"

namespace msn {
namespace {

/// View number under which the mask of a whole batch is drawn; no real view has it.
constexpr std::uint32_t kWholeBatch = (1u << 24) - 1;

std::vector<std::int64_t> draw(RandomStream stream, std::int64_t patches, double mask_ratio) {
  const auto order = stream.permutation(static_cast<std::uint32_t>(patches));
  return {order.begin(), order.begin() + kept_patches(patches, mask_ratio)};
}

}  // namespace

std::int64_t kept_patches(std::int64_t patches, double mask_ratio) {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(patches) * (1.0 - mask_ratio)));
}

std::vector<std::int64_t> batch_mask(std::uint64_t seed, std::uint64_t epoch, std::uint64_t first_position,
                                     std::int64_t patches, double mask_ratio) {
  return draw(RandomStream(seed, epoch, first_position, kWholeBatch, Purpose::mask), patches, mask_ratio);
}

std::vector<std::int64_t> image_mask(std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample, int view,
                                     std::int64_t patches, double mask_ratio) {
  return draw(RandomStream(seed, epoch, sample, static_cast<std::uint32_t>(view), Purpose::mask), patches, mask_ratio);
}

VisiblePatches::VisiblePatches(const ViewsConfig& views, int patch_size, std::uint64_t seed, int global_batch)
    : views_(views), patch_size_(patch_size), seed_(seed), global_batch_(static_cast<std::uint64_t>(global_batch)) {}

int VisiblePatches::grid(int view) const {
  return view_size(views_, view) / patch_size_;
}

std::int64_t VisiblePatches::count(int view) const {
  const std::int64_t side = grid(view);
  return is_masked(view) ? kept_patches(side * side, views_.mask_ratio) : side * side;
}

bool VisiblePatches::is_masked(int view) const {
  return view >= 1 && view <= views_.random && views_.mask_ratio > 0;
}

std::vector<std::int64_t> VisiblePatches::of(int view, std::uint64_t epoch, std::uint64_t position,
                                             std::uint64_t sample) const {
  const std::int64_t side = grid(view);
  if (!is_masked(view)) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(side * side));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  if (!one_mask()) return image_mask(seed_, epoch, sample, view, side * side, views_.mask_ratio);
  // Every rank draws the same mask: its key is the position of the global batch, not of this rank's share.
  return batch_mask(seed_, epoch, position - position % global_batch_, side * side, views_.mask_ratio);
}

}  // namespace msn
