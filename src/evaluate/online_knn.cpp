// SPDX-License-Identifier: Apache-2.0
#include "evaluate/online_knn.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>

#include "base/error.hpp"
#include "base/log.hpp"
#include "evaluate/knn.hpp"
#include "model/cost.hpp"
#include "train/plan.hpp"

namespace msn {
namespace {

ClassificationTask open_task_of_run(const World& world, const EvaluateConfig& evaluate) {
  return open_task(world, {.train = evaluate.train,
                           .test = evaluate.test,
                           .train_stride = static_cast<std::uint64_t>(evaluate.train_stride),
                           .test_stride = static_cast<std::uint64_t>(evaluate.test_stride),
                           .label_lists = {}});
}

/// On how many images the network is trained with as much arithmetic as the class tokens of `images` take.
double cost_in_training_images(const Config& config, int ranks, std::size_t images) {
  VitShape trunk = vit_shape(config.model);
  trunk.head_hidden = 0;
  trunk.head_out = 0;
  const double token = view_flops(trunk, 0, 1 + trunk.grid * trunk.grid, LastBlock::class_token).forward();
  return static_cast<double>(images) * token / plan_run(config, ranks, kImageNetImages).image_flops_as_run;
}

}  // namespace

OnlineKnn::OnlineKnn(const World& world, const Config& config)
    : world_(world), config_(config), task_(open_task_of_run(world, config.evaluate)) {
  const std::size_t train = task_.train.samples.size(), test = task_.test.samples.size();
  double images = 0;
  world.agree([&] {
    if (static_cast<std::size_t>(config.evaluate.k) > train) {
      throw config_error("evaluate.k = " + std::to_string(config.evaluate.k) + " is more than the " +
                             std::to_string(train) + " train images",
                         config.evaluate.train.string(), "give a smaller number, or more images");
    }
    images = cost_in_training_images(config, world.size(), train + test);
  });
  char line[256];
  std::snprintf(line, sizeof line,
                "k-NN of the target network every %d epochs, on %zu train and %zu test images: each time the work of "
                "training on about %.0f images",
                config.evaluate.every_epochs, train, test, images);
  description_ = line;
}

OnlineKnn::Rows OnlineKnn::rows_of(const LabelledImages& images, const FeatureMaker& maker, Sections& sections) {
  ExtractionOptions options;
  options.threads = at::get_num_threads();
  options.on_bad = OnBad::skip;
  options.progress = [&](std::uint64_t, std::uint64_t) { sections.touch(); };
  FeatureRows all = extract_features(world_, images.images(), maker, options);
  if (all.unread.empty()) return {all.values, images.labels};
  std::vector<bool> good(images.labels.size(), true);
  for (const UnreadImage& image : all.unread) {
    good[image.index] = false;
    if (told_.insert(image.error.where()).second) {
      log::warn("the measurement leaves out an image: " + std::string(image.error.what()));
    }
  }
  Rows rows;
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (!good[i]) continue;
    all.values[static_cast<std::int64_t>(rows.labels.size())].copy_(all.values[static_cast<std::int64_t>(i)]);
    rows.labels.push_back(images.labels[i]);
  }
  rows.features = all.values.narrow(0, 0, static_cast<std::int64_t>(rows.labels.size()));
  if (rows.labels.empty()) {
    throw AgreedError(data_error("not one image of the data set can be read", images.set->folder().string(),
                                 "see msn verify, or set evaluate.every_epochs = 0"));
  }
  return rows;
}

Evaluation OnlineKnn::operator()(const TrainState& state, Sections& sections) {
  const auto encoder = std::make_shared<const Encoder>(Encoder::of_state(config_, state.target));
  const FeatureMaker maker = network_features(encoder, {.where = ClassToken::after_norm});
  const Rows train = rows_of(task_.train, maker, sections);
  const Rows test = rows_of(task_.test, maker, sections);
  const std::int64_t k = std::min<std::int64_t>(config_.evaluate.k, train.features.size(0));
  const KnnOptions options{{k}, config_.evaluate.temperature, Vote::weighted};
  const KnnReference reference =
      knn_reference(train.features, train.labels, static_cast<std::int64_t>(task_.classes.size()));
  const Predictions predictions =
      knn(world_, reference, test.features, test.labels, options, at::get_num_threads(), [&] {
        sections.touch();
      }).front();
  return {accuracy(predictions), accuracy(predictions, 5), "k-NN (k " + std::to_string(k) + ") of the target network",
          0};
}

}  // namespace msn
