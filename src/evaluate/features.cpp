// SPDX-License-Identifier: Apache-2.0
#include "evaluate/features.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"
#include "comm/mpi_communicator.hpp"
#include "data/decode.hpp"
#include "data/resize.hpp"
#include "data/views.hpp"
#include "data/workers.hpp"

namespace msn {
namespace {

constexpr std::uint64_t kBatch = 128;  // Images through the network at once.

}  // namespace

void evaluation_view(const Image& image, const Config& config, std::span<float> out) {
  const int size = config.model.image_size;
  const int resized =
      std::min(image.width, image.height) == size ? size : static_cast<int>(std::lround(size * 256.0 / 224.0));
  normalise(resize_and_centre_crop(image, resized, size, config.views.interpolation, config.views.resize_order),
            config.views, out);
}

Features extract_features(const World& world, const DataSet& set, std::uint64_t stride, const Config& config,
                          int threads, const std::function<at::Tensor(const at::Tensor&)>& encode) {
  const std::uint64_t total = (set.count() + stride - 1) / stride;
  const auto ranks = static_cast<std::uint64_t>(world.size());
  // Equal shares, the last ones padded: a gather wants equal lengths.
  const std::uint64_t share = (total + ranks - 1) / ranks;
  const std::uint64_t begin = std::min(total, share * static_cast<std::uint64_t>(world.rank()));
  const std::uint64_t end = std::min(total, begin + share);
  const std::int64_t size = config.model.image_size;

  std::vector<at::Tensor> parts;
  std::int64_t width = 0;
  world.agree([&] {
    for (std::uint64_t first = begin; first < end; first += kBatch) {
      const std::uint64_t count = std::min(kBatch, end - first);
      const at::Tensor images = at::empty({static_cast<std::int64_t>(count), 3, size, size}, at::kFloat);
      float* pixels = images.mutable_data_ptr<float>();
      const auto values = static_cast<std::size_t>(3 * size * size);
      for_each_parallel(count, threads, [&](std::size_t i) {
        const std::uint64_t sample = (first + i) * stride;
        evaluation_view(decode(set.read(sample)), config, std::span(pixels + i * values, values));
      });
      parts.push_back(encode(images).to(at::kDouble));
      width = parts.back().size(1);
    }
  });
  width = static_cast<std::int64_t>(world.max(static_cast<std::uint64_t>(width)));
  const at::Tensor mine = at::empty({static_cast<std::int64_t>(share), width}, at::kDouble).zero_();
  if (!parts.empty()) mine.narrow(0, 0, static_cast<std::int64_t>(end - begin)).copy_(at::cat(parts));
  MpiCommunicator communicator(world);
  const at::Tensor all = communicator.gather(mine, "features").view({-1, width});
  communicator.shutdown();

  Features features;
  features.values = all.narrow(0, 0, static_cast<std::int64_t>(total)).to(at::kFloat);
  for (std::uint64_t i = 0; i < total; ++i)
    features.labels.push_back(set.label(i * stride));
  return features;
}

}  // namespace msn
