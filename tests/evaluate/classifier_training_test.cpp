// SPDX-License-Identifier: Apache-2.0
// Training of classifiers on several ranks against the same on one.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <limits>
#include <vector>

#include "comm/mpi_communicator.hpp"
#include "evaluate/batches.hpp"
#include "evaluate/finetuning.hpp"
#include "evaluate/linear_training.hpp"
#include "evaluate/score.hpp"
#include "evaluate/tiny_network.hpp"
#include "support/made_up.hpp"
#include "support/mpi.hpp"
#include "support/refusal.hpp"

namespace msn {
namespace {

constexpr int kClasses = 3;

/// A row's class by its number.
std::vector<std::int32_t> labels_of(std::int64_t rows) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < rows; ++i)
    labels.push_back(static_cast<std::int32_t>(i * 7 % kClasses));
  return labels;
}

/// Features with a direction for each class, and noise that is a pure function of (epoch, row).
at::Tensor noisy_features(std::uint64_t epoch, std::span<const std::uint64_t> rows) {
  std::vector<at::Tensor> features;
  for (const std::uint64_t row : rows) {
    at::Tensor x = test::made_up({1, 12}, at::kFloat, static_cast<std::uint32_t>(1000 * epoch + row + 1));
    x[0][static_cast<std::int64_t>(row * 7 % kClasses)].add_(1.5);
    features.push_back(x);
  }
  return at::cat(features);
}

TEST(Batches, CoverAnEpochOnceAndDropWhatIsLeftOver) {
  const Batches batches(10, 4, 1);
  EXPECT_EQ(batches.steps_per_epoch(), 2);
  std::vector<int> seen(10, 0);
  for (std::int64_t step = 0; step < 2; ++step) {
    for (const std::uint64_t row : batches.rows(0, step, 0, 4))
      ++seen[row];
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), 8);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 2);
  EXPECT_NE(batches.rows(0, 0, 0, 4), batches.rows(1, 0, 0, 4));
  EXPECT_EQ(Batches(3, 100, 1).batch(), 3);
  EXPECT_EQ(Batches(3, 100, 1).steps_per_epoch(), 1);
}

TEST(Batches, AreSharedWholly) {
  for (const std::int64_t n : {0, 1, 7, 8}) {
    std::int64_t end = 0;
    for (int rank = 0; rank < 3; ++rank) {
      const RowRange share = share_of_rank(n, rank, 3);
      EXPECT_EQ(share.begin, end);
      EXPECT_LE(share.end - share.begin, n / 3 + 1);
      end = share.end;
    }
    EXPECT_EQ(end, n);
  }
}

TEST(LinearTraining, RateFallsToZeroByAHalfCosine) {
  EXPECT_DOUBLE_EQ(cosine_rate(6.4, 0, 8), 6.4);
  EXPECT_DOUBLE_EQ(cosine_rate(6.4, 4, 8), 3.2);
  EXPECT_NEAR(cosine_rate(6.4, 8, 8), 0, 1e-15);
}

TEST(LinearTraining, LearnsTheSameOnAnyNumberOfRanks) {
  MpiCommunicator several(test::world());
  const World alone_world = World::alone();
  MpiCommunicator alone(alone_world);
  const std::vector<std::int32_t> labels = labels_of(67);
  LinearOptions options;
  options.epochs = 8;
  options.batch = 23;  // Not a multiple of the ranks.
  options.lr = 4;
  options.weight_decay = 1e-4;
  options.seed = 5;
  std::vector<LinearProgress> told;
  const LinearProbe probe = train_linear_probe(several, noisy_features, 12, labels, kClasses, options,
                                               [&](const LinearProgress& progress) { told.push_back(progress); });
  const LinearProbe want = train_linear_probe(alone, noisy_features, 12, labels, kClasses, options);
  EXPECT_LE(test::relative_error(probe.parameters().values(), want.parameters().values()), 1e-5);
  EXPECT_EQ(told.size(), 8u);
  if (told.size() == 8) {
    EXPECT_EQ(told.back().epoch, 8);
    EXPECT_LT(told.back().loss, 0.5 * told.front().loss);
    EXPECT_LT(told.back().lr, told.front().lr);
  }
  std::vector<std::uint64_t> rows(67);
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] = i;
  const at::Tensor unseen = noisy_features(99, rows);
  const Predictions predictions = judge(probe.scores(unseen), labels);
  EXPECT_EQ(predictions.classes, judge(want.scores(unseen), labels).classes);
  EXPECT_GE(accuracy(predictions), 0.9);
  several.shutdown();
}

TEST(LinearTraining, EndsOnEveryRankWhereTheLossIsNotFinite) {
  MpiCommunicator communicator(test::world());
  LinearOptions options;
  options.epochs = 2;
  options.batch = 8;
  // One rank's row is bad; all must hear of it.
  const auto bad = [](std::uint64_t epoch, std::span<const std::uint64_t> rows) {
    at::Tensor x = noisy_features(epoch, rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == 3) x[static_cast<std::int64_t>(i)].fill_(std::numeric_limits<double>::quiet_NaN());
    }
    return x;
  };
  const std::vector<std::int32_t> labels = labels_of(8);
  EXPECT_EQ(
      test::refusal([&] { train_linear_probe(communicator, bad, 12, labels, kClasses, options); }, ExitCode::numerics),
      "the loss of the linear probe is not finite (epoch 1): lower the learning rate");
  communicator.shutdown();
}

/// Noise with a bright square whose place tells the class.
at::Tensor made_up_images(std::uint64_t epoch, std::span<const std::uint64_t> samples) {
  std::vector<at::Tensor> images;
  for (const std::uint64_t sample : samples) {
    const auto seed = static_cast<std::uint32_t>(1000 * epoch + sample + 1);
    at::Tensor image = 0.5 * test::made_up({1, 3, 16, 16}, at::kFloat, seed);
    image.narrow(3, static_cast<std::int64_t>(sample % kClasses) * 5, 5).add_(1);
    images.push_back(image);
  }
  return at::cat(images);
}

Classifier tiny_classifier() {
  const VitShape shape = tiny();
  return {network(shape), shape, kClasses, 1};
}

FinetuneOptions short_training() {
  FinetuneOptions options;
  options.epochs = 25;
  options.batch = 14;  // 7 pairs: not a multiple of the ranks.
  options.lr = 0.06;
  options.warmup_epochs = 2;
  options.seed = 4;
  options.part = 4;
  return options;
}

TEST(Finetuning, RateWarmsUpAndFalls) {
  FinetuneOptions options;
  options.epochs = 25;
  options.warmup_epochs = 5;
  options.final_lr = 1e-6;
  EXPECT_DOUBLE_EQ(finetune_rate(options, 2e-3, 0), 0);
  EXPECT_DOUBLE_EQ(finetune_rate(options, 2e-3, 2.5), 1e-3);
  EXPECT_DOUBLE_EQ(finetune_rate(options, 2e-3, 5), 2e-3);
  EXPECT_NEAR(finetune_rate(options, 2e-3, 15), (2e-3 + 1e-6) / 2, 1e-15);
  EXPECT_NEAR(finetune_rate(options, 2e-3, 25), 1e-6, 1e-15);
}

TEST(Finetuning, LearnsTheSameOnAnyNumberOfRanks) {
  MpiCommunicator several(test::world());
  const World alone_world = World::alone();
  MpiCommunicator alone(alone_world);
  LabelledSamples data;
  for (std::uint64_t i = 0; i < 31; ++i) {
    data.samples.push_back(i + 100);
    data.labels.push_back(static_cast<std::int32_t>((i + 100) % kClasses));
  }
  FinetuneOptions options = short_training();
  std::vector<FinetuneProgress> told;
  const Classifier classifier = tiny_classifier(), want = tiny_classifier();
  finetune(several, classifier, made_up_images, data, kClasses, options,
           [&](const FinetuneProgress& progress) { told.push_back(progress); });
  finetune(alone, want, made_up_images, data, kClasses, options);
  EXPECT_LE(test::relative_error(classifier.parameters().values(), want.parameters().values()), 1e-9);
  EXPECT_EQ(told.size(), 25u);

  std::vector<std::uint64_t> unseen;
  for (std::uint64_t i = 500; i < 560; ++i)
    unseen.push_back(i);
  std::vector<std::int32_t> own;
  for (const std::uint64_t sample : unseen)
    own.push_back(static_cast<std::int32_t>(sample % kClasses));
  EXPECT_GE(accuracy(judge(classifier.scores(made_up_images(0, unseen)), own)), 0.9);

  // Neither do parts change more than rounding.
  options.part = 14;
  const Classifier whole = tiny_classifier();
  finetune(several, whole, made_up_images, data, kClasses, options);
  EXPECT_LE(test::relative_error(whole.parameters().values(), want.parameters().values()), 1e-9);
  several.shutdown();
}

TEST(Finetuning, RefusesOneImageAndLossesThatAreNotFinite) {
  MpiCommunicator communicator(test::world());
  const Classifier classifier = tiny_classifier();
  EXPECT_NE(test::refusal([&] {
              finetune(communicator, classifier, made_up_images, {{1}, {0}}, kClasses, short_training());
            }).find("fine-tuning needs at least two images"),
            std::string::npos);
  const auto bad = [](std::uint64_t epoch, std::span<const std::uint64_t> samples) {
    at::Tensor images = made_up_images(epoch, samples);
    if (!samples.empty() && samples[0] == 2) images.fill_(std::numeric_limits<double>::infinity());
    return images;
  };
  EXPECT_EQ(test::refusal(
                [&] {
                  finetune(communicator, classifier, bad, {{1, 2}, {0, 1}}, kClasses, short_training());
                },
                ExitCode::numerics)
                .rfind("the loss of fine-tuning is not finite (epoch ", 0),
            0u);
  communicator.shutdown();
}

}  // namespace
}  // namespace msn
