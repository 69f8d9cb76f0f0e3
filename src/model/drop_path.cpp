// SPDX-License-Identifier: Apache-2.0
#include "model/drop_path.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "base/random.hpp"

namespace msn {

at::Tensor drop_path_factors(std::uint64_t seed, std::uint64_t epoch, std::span<const std::uint64_t> samples,
                             int first_view, int views, std::int64_t depth, double rate) {
  if (rate == 0) return {};
  const auto images = static_cast<std::int64_t>(samples.size()) * views;
  const at::Tensor factors = at::empty({depth, 2, images}, at::kDouble);
  auto* out = factors.mutable_data_ptr<double>();
  std::int64_t image = 0;
  for (int view = first_view; view < first_view + views; ++view) {
    for (const std::uint64_t sample : samples) {
      RandomStream stream(seed, epoch, sample, static_cast<std::uint32_t>(view), Purpose::drop_path);
      for (std::int64_t block = 0; block < depth; ++block) {
        const double rate_here =
            rate * static_cast<double>(block) / static_cast<double>(std::max<std::int64_t>(1, depth - 1));
        for (std::int64_t branch = 0; branch < 2; ++branch) {
          out[(2 * block + branch) * images + image] = stream.chance(rate_here) ? 0.0 : 1.0 / (1.0 - rate_here);
        }
      }
      ++image;
    }
  }
  return factors;
}

}  // namespace msn
