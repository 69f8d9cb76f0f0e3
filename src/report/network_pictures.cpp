// SPDX-License-Identifier: Apache-2.0
#include "report/network_pictures.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/topk.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/mpi_communicator.hpp"
#include "data/read_image.hpp"
#include "data/sampler.hpp"
#include "data/workers.hpp"
#include "evaluate/features.hpp"
#include "model/head.hpp"
#include "model/patches.hpp"
#include "objective/msn_loss.hpp"
#include "report/last_block.hpp"
#include "train/setup.hpp"
#include "train/shown_views.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kShownSamples = 4;  // Images whose views are shown, and of each at most so many views.
constexpr std::size_t kShownViews = 12;
constexpr int kViewSide = 224;  // Longest sides of tiles in pixels.
constexpr int kNeighbourSide = 96;
constexpr int kLookSide = 144;
constexpr std::int64_t kPrototypes = 8;
constexpr std::int64_t kNeighbours = 8;
constexpr std::int64_t kLookedAt = 6;
constexpr std::int64_t kHeads = 6;
constexpr std::uint64_t kBatch = 32;  // Images through the network at once.

std::string decimals(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

// ---- views ----

PictureRow views_row(const ShownSample& sample, const Config& config) {
  SheetRow sheet = sheet_row(sample, config);
  PictureRow row;
  row.heading = describe_sample(sample);
  for (std::size_t i = 0; i < sheet.tiles.size() && i <= kShownViews; ++i) {
    const SheetTile& tile = sheet.tiles[i];
    const bool large = std::max(tile.image.width, tile.image.height) > kViewSide;
    row.tiles.push_back({large ? fit_into(tile.image, kViewSide) : tile.image, tile.caption,
                         tile.caption + " of sample " + std::to_string(sample.sample)});
    if (i > 0) row.details.push_back(sheet.lines[i]);
  }
  if (sheet.tiles.size() > kShownViews + 1)
    row.details.push_back("and " + std::to_string(sheet.tiles.size() - kShownViews - 1) + " more views");
  return row;
}

PictureSection views_section(const ShownData& data, const Config& config, std::uint64_t step) {
  PictureSection section;
  section.title = "Views of step " + std::to_string(step);
  section.says =
      "The first images of a step's batch with the views that training makes of them. What the network does not see of "
      "a "
      "view (masked patches, pixels beyond the last whole patch) is veiled in blue.";
  const auto count = std::min(kShownSamples, static_cast<std::uint64_t>(config.train.global_batch));
  for (std::uint64_t i = 0; i < count; ++i)
    section.rows.push_back(views_row(show_sample(data, config, step, i), config));
  return section;
}

// ---- the network ----

/// The target network of a checkpoint, and the prototypes.
struct TargetNetwork {
  explicit TargetNetwork(const Config& config)
      : shape(vit_shape(config.model)),
        target(encoder_tensors(shape), scalar_type(config.train.precision), Parameters::Gradients::none),
        prototypes(at::empty({config.model.prototypes, shape.head_out}, target.type())),
        trunk(target, shape) {}

  void load(const fs::path& checkpoint) {
    const ElementType type = target.type() == at::kFloat ? ElementType::f32 : ElementType::f64;
    const auto bytes = [](const at::Tensor& tensor) {
      return std::span(static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes());
    };
    std::vector<StateTensor> tensors;
    for (const Segment& segment : target.segments())
      tensors.push_back({"target." + segment.name, type, segment.shape, bytes(target.value(segment.name))});
    tensors.push_back({"online.prototypes", type, prototypes.sizes().vec(), bytes(prototypes)});
    read_checkpoint(checkpoint, tensors);
  }

  at::Tensor class_tokens(const at::Tensor& images) const {
    ViewGroup group;
    group.patches = patch_rows(images.to(target.type()), shape.patch);
    group.grid = images.size(2) / shape.patch;
    return trunk.forward({group}, nullptr);
  }

  VitShape shape;
  Parameters target;
  at::Tensor prototypes;  ///< [K, head_out]
  Trunk trunk;
};

/// Some images of a data set as the network and people see them.
struct Slice {
  std::vector<std::uint64_t> samples;
  at::Tensor views;  ///< [n, 3, size, size]: evaluation views, normalised.
};

Slice read_slice(const DataSet& set, const Config& config, std::span<const std::uint64_t> samples, int threads) {
  const std::int64_t size = config.model.image_size;
  Slice slice{{samples.begin(), samples.end()},
              at::empty({static_cast<std::int64_t>(samples.size()), 3, size, size}, at::kFloat)};
  const auto values = static_cast<std::size_t>(3 * size * size);
  float* pixels = slice.views.mutable_data_ptr<float>();
  for_each_parallel(samples.size(), threads, [&](std::size_t i) {
    evaluation_view(read_image(set, samples[i]), config, std::span(pixels + i * values, values));
  });
  return slice;
}

/// Image `index` of the views with its normalisation undone.
Image picture_of(const at::Tensor& views, std::int64_t index, const ViewsConfig& config) {
  const at::Tensor view = views[index];
  const auto size = static_cast<int>(view.size(1));
  Image image{size, size, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * size * size))};
  const auto values = view.accessor<float, 3>();
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        const double level = values[static_cast<std::int64_t>(c)][y][x] * config.std[c] + config.mean[c];
        image.rgb[static_cast<std::size_t>(y * size + x) * 3 + c] =
            static_cast<std::uint8_t>(std::clamp(std::lround(255 * level), 0L, 255L));
      }
    }
  }
  return image;
}

/// `count` numbers from 0 to `total` - 1, evenly spaced.
std::vector<std::uint64_t> evenly(std::uint64_t total, std::uint64_t count) {
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < std::min(count, total); ++i)
    numbers.push_back(total <= count ? i : i * (total / count) + i * (total % count) / count);
  return numbers;
}

/// Embeddings [samples, head_out] of the target network: batch norm with the statistics of all of them.
at::Tensor embeddings(const TargetNetwork& network, const DataSet& set, const Config& config,
                      const std::vector<std::uint64_t>& samples, const PictureOptions& options) {
  std::vector<at::Tensor> tokens;
  for (std::size_t begin = 0; begin < samples.size(); begin += kBatch) {
    const std::size_t count = std::min<std::size_t>(kBatch, samples.size() - begin);
    const Slice slice = read_slice(set, config, std::span(samples).subspan(begin, count), options.threads);
    tokens.push_back(network.class_tokens(slice.views));
    if (options.progress) options.progress(begin + count, samples.size());
  }
  const Head head(network.target);
  HeadBuffers buffers(network.shape, network.target.type());
  const World alone = World::alone();
  MpiCommunicator communicator(alone);
  const std::vector<at::Tensor> z = heads_forward({{&head, &buffers, at::cat(tokens), nullptr}}, communicator);
  communicator.shutdown();
  return z.front();
}

at::Tensor unit_rows(const at::Tensor& x) {
  return x / x.norm(2, {1}, true).clamp_min(1e-12);
}

PictureSection prototypes_section(const TargetNetwork& network, const DataSet& set, const Config& config,
                                  const PictureOptions& options) {
  const std::vector<std::uint64_t> samples = evenly(set.count(), options.sample);
  const at::Tensor z = embeddings(network, set, config, samples, options);
  const at::Tensor chosen = predictions(z, network.prototypes, 1.0, config.loss).argmax(1);
  const at::Tensor uses = at::bincount(chosen, {}, config.model.prototypes);
  const at::Tensor similarity = at::matmul(unit_rows(network.prototypes), unit_rows(z).t());  // [K, samples]
  const std::int64_t used = (uses > 0).sum().item<std::int64_t>();
  const auto [counts, order] = uses.topk(std::min<std::int64_t>(kPrototypes, used));

  PictureSection section;
  section.title = "Nearest images of the most used prototypes";
  section.says =
      "Of " + std::to_string(samples.size()) + " of the " + std::to_string(set.count()) + " images, evenly spaced, " +
      std::to_string(used) + " of " + std::to_string(config.model.prototypes) +
      " prototypes are the most likely one of some image (before Sinkhorn; batch norm with the statistics of "
      "these images). Below an image stands the cosine of its embedding and the prototype. Images of a row "
      "should share what matters to you, not colour or background alone.";
  for (std::int64_t row = 0; row < order.size(0); ++row) {
    const auto prototype = order[row].item<std::int64_t>();
    const auto [cosines, nearest] = similarity[prototype].topk(std::min<std::int64_t>(kNeighbours, similarity.size(1)));
    PictureRow pictures;
    pictures.heading = "Prototype " + std::to_string(prototype) + ": the most likely one of " +
                       std::to_string(counts[row].item<std::int64_t>()) + " images";
    std::vector<std::uint64_t> shown;
    for (std::int64_t i = 0; i < nearest.size(0); ++i)
      shown.push_back(samples[static_cast<std::size_t>(nearest[i].item<std::int64_t>())]);
    const Slice slice = read_slice(set, config, shown, options.threads);
    for (std::int64_t i = 0; i < nearest.size(0); ++i) {
      const std::string cosine = decimals(cosines[i].item<double>());
      pictures.tiles.push_back({fit_into(picture_of(slice.views, i, config.views), kNeighbourSide), cosine,
                                "sample " + std::to_string(shown[static_cast<std::size_t>(i)]) + ", cosine " + cosine});
    }
    section.rows.push_back(std::move(pictures));
  }
  return section;
}

/// `image` as bright at each patch as `weights` [patches], row by row, of the largest of them.
Image lit_by(const Image& image, const at::Tensor& weights, int patch) {
  Image lit = image;
  const at::Tensor share = (weights / weights.max().clamp_min(1e-30)).to(at::kDouble).contiguous();
  const double* shares = share.const_data_ptr<double>();
  const int columns = image.width / patch;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const bool in_patch = x / patch < columns && y / patch < image.height / patch;
      const double light = in_patch ? 0.12 + 0.88 * shares[(y / patch) * columns + x / patch] : 0.12;
      std::uint8_t* pixel = lit.rgb.data() + static_cast<std::ptrdiff_t>(3) * (y * image.width + x);
      for (int c = 0; c < 3; ++c)
        pixel[c] = static_cast<std::uint8_t>(std::lround(light * pixel[c]));
    }
  }
  return lit;
}

/// Patches in colours [patches, 3], grid x grid, a pixel each.
Image colours_of(const at::Tensor& colours, int grid) {
  Image image{grid, grid, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * grid * grid))};
  const at::Tensor levels = (colours * 255).round().to(at::kByte).contiguous();
  std::copy_n(levels.const_data_ptr<std::uint8_t>(), image.rgb.size(), image.rgb.begin());
  return image;
}

PictureSection look_section(const TargetNetwork& network, const DataSet& set, const Config& config,
                            const PictureOptions& options) {
  const std::vector<std::uint64_t> samples = evenly(set.count(), kLookedAt);
  const Slice slice = read_slice(set, config, samples, options.threads);
  const LastBlock seen = look_at_last_block(network.trunk, network.target, network.shape, slice.views);
  const std::int64_t patches = seen.tokens.size(1) - 1;
  const auto images = static_cast<std::int64_t>(samples.size());
  const auto grid = static_cast<int>(config.model.image_size / config.model.patch_size);
  const at::Tensor attention = seen.attention.narrow(2, 1, patches);
  const at::Tensor colours =
      principal_colours(seen.normed.narrow(1, 1, patches).flatten(0, 1)).view({images, patches, 3});

  PictureSection section;
  section.title = "Where the network looks";
  section.says = "Of " + std::to_string(images) +
                 " images: the patch tokens that enter the last block, their first three principal "
                 "components over all of these images as red, green and blue (alike in colour: alike to the network); "
                 "then how much "
                 "the class token attends to each patch in the last block, bright where most, the mean over heads and "
                 "single heads.";
  for (std::int64_t i = 0; i < images; ++i) {
    const std::string name = "sample " + std::to_string(samples[static_cast<std::size_t>(i)]);
    const Image image = picture_of(slice.views, i, config.views);
    PictureRow row;
    row.heading = name;
    row.tiles.push_back({fit_into(image, kLookSide), "image", name});
    row.tiles.push_back({fit_into(colours_of(colours[i], grid), kLookSide), "patch tokens", "patch tokens of " + name});
    row.tiles.push_back({fit_into(lit_by(image, attention[i].mean(0), config.model.patch_size), kLookSide),
                         "attention, mean", "mean attention over " + name});
    for (std::int64_t head = 0; head < std::min<std::int64_t>(kHeads, attention.size(1)); ++head) {
      const std::string which = "head " + std::to_string(head + 1);
      row.tiles.push_back({fit_into(lit_by(image, attention[i][head], config.model.patch_size), kLookSide), which,
                           "attention of " + which + " over " + name});
    }
    section.rows.push_back(std::move(row));
  }
  return section;
}

}  // namespace

RunPictures draw_network_pictures(const fs::path& run, const PictureOptions& options) {
  const at::NoGradGuard no_autograd;
  RunPictures pictures;
  if (!fs::exists(run / "config.toml"))
    throw data_error("pictures need the run's configuration, and there is no config.toml", run.string(),
                     "leave --images out");
  Config config = load_config(run / "config.toml");
  if (options.data) use_one_data_set(config, *options.data);
  if (config.data.input == DataInput::synthetic && !options.data) {
    pictures.notes.push_back("No pictures: the run was trained on made-up numbers.");
    return pictures;
  }
  config.data.input = DataInput::images;
  const ShownData data = open_shown_data(config);
  const auto checkpoint = find_newest_checkpoint(run);
  const std::uint64_t step = checkpoint ? read_manifest(*checkpoint).facts.step : 0;
  const std::uint64_t per_epoch = steps_per_epoch(data.training.mixture.epoch_images(), config.train.global_batch);
  const std::uint64_t last = per_epoch * static_cast<std::uint64_t>(config.train.epochs) - 1;
  pictures.sections.push_back(views_section(data, config, std::min(step, last)));
  if (!checkpoint) {
    pictures.notes.push_back("No pictures of the network: the run has no checkpoint yet.");
    return pictures;
  }
  TargetNetwork network(config);
  network.load(*checkpoint);
  const DataSet& set = data.sets.front();
  if (data.sets.size() > 1)
    pictures.notes.push_back("Images are those of the first of " + std::to_string(data.sets.size()) + " data sets.");
  pictures.notes.push_back("The network is the target network of " + checkpoint->filename().string() + ".");
  pictures.sections.push_back(prototypes_section(network, set, config, options));
  pictures.sections.push_back(look_section(network, set, config, options));
  return pictures;
}

}  // namespace msn
