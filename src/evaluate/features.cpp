// SPDX-License-Identifier: Apache-2.0
#include "evaluate/features.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/read_image.hpp"
#include "data/resize.hpp"
#include "data/views.hpp"
#include "evaluate/alone.hpp"
#include "evaluate/batches.hpp"

namespace msn {
namespace {

/// Rows of a network's matrices at once: enough for products at full speed on one thread, and little enough for a
/// batch on each of many threads.
constexpr std::int64_t kBatchTokens = 4096;
/// Batches of a thread between two calls of the progress.
constexpr std::uint64_t kRound = 4;

/// The images [begin, end) of a rank: whole batches.
struct ImageRange {
  std::uint64_t begin, end;
};
ImageRange images_of_rank(int rank, int ranks, std::uint64_t images, std::int64_t batch) {
  const auto rows = static_cast<std::uint64_t>(batch);
  const RowRange batches = share_of_rank(static_cast<std::int64_t>((images + rows - 1) / rows), rank, ranks);
  const auto at = [&](std::int64_t i) { return std::min(images, static_cast<std::uint64_t>(i) * rows); };
  return {at(batches.begin), at(batches.end)};
}

/// For World::gather.
std::string unread_text(const std::vector<UnreadImage>& unread) {
  nlohmann::json list = nlohmann::json::array();
  for (const UnreadImage& image : unread) {
    list.push_back({image.index, static_cast<int>(image.error.code()), image.error.problem(), image.error.where(),
                    image.error.remedy()});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<UnreadImage> parse_unread(const std::string& text) {
  std::vector<UnreadImage> unread;
  for (const nlohmann::json& image : nlohmann::json::parse(text)) {
    unread.push_back(
        {image.at(0), Error(static_cast<ExitCode>(image.at(1).get<int>()), image.at(2), image.at(3), image.at(4))});
  }
  return unread;
}

/// One batch: reads its images, makes their features, and writes them to `out` [images, width].
std::vector<UnreadImage> make_batch(const ImageSource& images, std::uint64_t first, const FeatureMaker& maker,
                                    const at::Tensor& out) {
  const std::int64_t size = maker.config.model.image_size;
  const at::Tensor views = at::zeros({out.size(0), 3, size, size}, at::kFloat);
  const auto values = static_cast<std::size_t>(3 * size * size);
  const std::span all(views.mutable_data_ptr<float>(), static_cast<std::size_t>(out.size(0)) * values);
  std::vector<UnreadImage> unread;
  for (std::int64_t i = 0; i < out.size(0); ++i) {
    const std::uint64_t index = first + static_cast<std::uint64_t>(i);
    try {
      evaluation_view(images.read(index), maker.config, all.subspan(static_cast<std::size_t>(i) * values, values));
    } catch (const Error& error) {
      unread.push_back({index, error});
    }
  }
  out.copy_(maker.encode(views));
  for (const UnreadImage& image : unread)
    out[static_cast<std::int64_t>(image.index - first)].zero_();
  return unread;
}

}  // namespace

void evaluation_view(const Image& image, const Config& config, std::span<float> out) {
  const int size = config.model.image_size;
  const int resized =
      std::min(image.width, image.height) == size ? size : static_cast<int>(std::lround(size * 256.0 / 224.0));
  normalise(resize_and_centre_crop(image, resized, size, config.views.interpolation, config.views.resize_order),
            config.views, out);
}

FeatureMaker network_features(std::shared_ptr<const Encoder> encoder, const TokenChoice& choice) {
  const Config& config = encoder->config();
  const std::int64_t grid = config.model.image_size / config.model.patch_size;
  FeatureMaker maker;
  maker.config = config;
  maker.width = encoder->width(choice);
  maker.batch = std::clamp<std::int64_t>(kBatchTokens / (1 + grid * grid), 1, 256);
  maker.identity = encoder->identity() + (choice.where == ClassToken::before_norm ? " before" : " after") +
                   " the final norm, layer " + std::to_string(choice.layer) + ", blocks " +
                   std::to_string(choice.blocks);
  maker.encode = [encoder = std::move(encoder), choice](const at::Tensor& images) {
    return encoder->features(images, choice);
  };
  return maker;
}

FeatureMaker pixel_features(const Config& config) {
  FeatureMaker maker;
  maker.config = config;
  maker.width = std::int64_t{3} * config.model.image_size * config.model.image_size;
  maker.batch = 64;
  maker.encode = [](const at::Tensor& images) { return images.flatten(1); };
  return maker;
}

ImageSource images_of(const DataSet& set, std::span<const std::uint64_t> samples) {
  return {samples.size(), [&set, samples](std::uint64_t index) { return read_image(set, samples[index]); }};
}

FeatureRows features_of_rank(const World& world, const ImageSource& images, const FeatureMaker& maker,
                             const ExtractionOptions& options) {
  const auto batch = static_cast<std::uint64_t>(maker.batch);
  const ImageRange mine = images_of_rank(world.rank(), world.size(), images.count, maker.batch);
  const std::uint64_t count = mine.end - mine.begin;
  FeatureRows rows;
  rows.begin = mine.begin;
  rows.values = at::empty({static_cast<std::int64_t>(count), maker.width}, at::kFloat);

  const std::uint64_t round = batch * kRound * static_cast<std::uint64_t>(std::max(1, options.threads));
  for (std::uint64_t begin = mine.begin; begin < mine.end; begin += round) {
    const std::uint64_t end = std::min(mine.end, begin + round);
    std::vector<std::vector<UnreadImage>> unread((end - begin + batch - 1) / batch);
    for_each_alone(unread.size(), [&](std::size_t i) {
      const std::uint64_t first = begin + i * batch;
      const std::uint64_t many = std::min(batch, end - first);
      unread[i] = make_batch(
          images, first, maker,
          rows.values.narrow(0, static_cast<std::int64_t>(first - mine.begin), static_cast<std::int64_t>(many)));
    });
    for (const std::vector<UnreadImage>& of_batch : unread) {
      if (options.on_bad == OnBad::fail && !of_batch.empty()) throw of_batch.front().error;
      rows.unread.insert(rows.unread.end(), of_batch.begin(), of_batch.end());
    }
    if (options.progress) options.progress(end - mine.begin, count);
  }
  return rows;
}

FeatureRows extract_features(const World& world, const ImageSource& images, const FeatureMaker& maker,
                             const ExtractionOptions& options) {
  const FeatureRows mine = features_of_rank(world, images, maker, options);
  if (world.size() == 1) return mine;
  FeatureRows all;
  all.values = at::empty({static_cast<std::int64_t>(images.count), maker.width}, at::kFloat);
  all.values.narrow(0, static_cast<std::int64_t>(mine.begin), mine.values.size(0)).copy_(mine.values);
  for (int rank = 0; rank < world.size(); ++rank) {
    const ImageRange range = images_of_rank(rank, world.size(), images.count, maker.batch);
    const at::Tensor rows = all.values.narrow(0, static_cast<std::int64_t>(range.begin),
                                              static_cast<std::int64_t>(range.end - range.begin));
    world.broadcast_bytes({static_cast<std::byte*>(rows.mutable_data_ptr()), rows.nbytes()}, rank);
  }
  for (const std::string& text : world.gather(unread_text(mine.unread))) {
    const std::vector<UnreadImage> unread = parse_unread(text);
    all.unread.insert(all.unread.end(), unread.begin(), unread.end());
  }
  return all;
}

}  // namespace msn
