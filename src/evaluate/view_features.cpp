// SPDX-License-Identifier: Apache-2.0
#include "evaluate/view_features.hpp"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "evaluate/alone.hpp"

namespace msn {

at::Tensor view_features(const TrainingViews& views, const FeatureMaker& maker, std::uint64_t epoch,
                         std::span<const std::uint64_t> samples, int threads, const std::function<void()>& progress) {
  const at::Tensor features = at::empty({static_cast<std::int64_t>(samples.size()), maker.width}, at::kFloat);
  const auto batch = static_cast<std::size_t>(maker.batch);
  const std::size_t batches = (samples.size() + batch - 1) / batch;
  const auto round = static_cast<std::size_t>(std::max(1, threads));
  for (std::size_t begin = 0; begin < batches; begin += round) {
    for_each_alone(std::min(round, batches - begin), [&](std::size_t i) {
      const std::size_t first = (begin + i) * batch;
      const auto part = samples.subspan(first, std::min(batch, samples.size() - first));
      features.narrow(0, static_cast<std::int64_t>(first), static_cast<std::int64_t>(part.size()))
          .copy_(maker.encode(views.make(epoch, part)));
    });
    if (progress) progress();
  }
  return features;
}

}  // namespace msn
