// SPDX-License-Identifier: Apache-2.0
#include "commands/eval.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.hpp"
#include "base/seconds_since.hpp"
#include "comm/watchdog.hpp"
#include "comm/world.hpp"
#include "data/dataset.hpp"
#include "evaluate/encoder.hpp"
#include "evaluate/features.hpp"
#include "evaluate/knn.hpp"
#include "train/gemm_setup.hpp"
#include "train/threads.hpp"

namespace msn {

namespace {

struct Arguments {
  std::optional<std::filesystem::path> run, checkpoint, config;
  bool random_weights = false;
  bool raw_pixels = false;
  std::filesystem::path train, test;
  std::uint64_t train_stride = 1, test_stride = 1;
  KnnOptions knn;
  double watchdog = 600;
  bool json = false;
};

std::unique_ptr<DataSet> open_labelled(const World& world, const std::filesystem::path& path) {
  std::unique_ptr<DataSet> set;
  world.agree([&] {
    set = std::make_unique<DataSet>(path);
    if (set->manifest().classes.empty()) {
      throw data_error("the data set has no labels", path.string(), "pack it with --labels folders");
    }
  });
  return set;
}

/// What the features are made by, and under which name it is reported.
struct Subject {
  std::string name;
  Config config;
  std::function<at::Tensor(const at::Tensor&)> encode;
};

Subject choose_subject(const World& world, const Arguments& arguments) {
  std::optional<std::filesystem::path> checkpoint;
  if (arguments.run || arguments.checkpoint) checkpoint = choose_checkpoint(world, arguments.run, arguments.checkpoint);
  Subject subject;
  if (arguments.random_weights || arguments.raw_pixels) {
    if (checkpoint) {
      subject.config = checkpoint_config(world, *checkpoint);
    } else {
      world.agree([&] { subject.config = load_config(*arguments.config); });
    }
    if (arguments.raw_pixels) {
      subject.name = "raw pixels";
      subject.encode = [](const at::Tensor& images) { return images.flatten(1); };
    } else {
      subject.name = "random weights";
      const auto encoder = std::make_shared<Encoder>(Encoder::random(subject.config));
      subject.encode = [encoder](const at::Tensor& images) { return encoder->features(images); };
    }
    return subject;
  }
  subject.name = checkpoint->string();
  const auto encoder = std::make_shared<Encoder>(Encoder::from_checkpoint(world, *checkpoint));
  subject.config = encoder->config();
  subject.encode = [encoder](const at::Tensor& images) { return encoder->features(images); };
  return subject;
}

/// Share of this data's test rows whose class is predicted; the rows are shared over ranks.
double accuracy(const World& world, const Features& train, const Features& test, int classes,
                const KnnOptions& options) {
  const std::int64_t rows = test.values.size(0);
  const std::int64_t share = (rows + world.size() - 1) / world.size();
  const std::int64_t begin = std::min(rows, share * world.rank());
  const std::int64_t count = std::min(rows, begin + share) - begin;
  std::uint64_t right = 0;
  if (count > 0) {
    const KnnVotes votes = knn(train.values, train.labels, test.values.narrow(0, begin, count), classes, options);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<std::size_t>(i);
      right += votes.predictions[row] == test.labels[static_cast<std::size_t>(begin) + row] ? 1 : 0;
    }
  }
  return static_cast<double>(world.sum(right)) / static_cast<double>(rows);
}

void run_knn(const World& world, const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  Watchdog watchdog(world, {.limit = Seconds(arguments.watchdog)});
  Sections& sections = watchdog.sections();
  const int threads = set_up_threads(world, 0);
  tell(set_up_gemm(world, "auto"));
  const Subject subject = choose_subject(world, arguments);
  const auto train_set = open_labelled(world, arguments.train);
  const auto test_set = open_labelled(world, arguments.test);
  world.agree([&] {
    if (train_set->manifest().classes != test_set->manifest().classes) {
      throw data_error("the two data sets have different classes", arguments.test.string(),
                       "pack both from folders with the same class names");
    }
  });
  sections.enter(Section::evaluate);
  const auto encode = [&](const at::Tensor& images) {
    sections.touch();
    return subject.encode(images);
  };
  const Features train = extract_features(world, *train_set, arguments.train_stride, subject.config, threads, encode);
  const Features test = extract_features(world, *test_set, arguments.test_stride, subject.config, threads, encode);
  const auto classes = static_cast<int>(train_set->manifest().classes.size());
  const double top1 = accuracy(world, train, test, classes, arguments.knn);
  if (world.rank() != 0) return;
  const double seconds = seconds_since(start);
  std::printf("k-NN top-1 of %s: %.2f %% (k %d, %zu train and %zu test images, %.1f s)\n", subject.name.c_str(),
              100 * top1, arguments.knn.k, train.labels.size(), test.labels.size(), seconds);
  if (arguments.json) {
    const nlohmann::ordered_json line = {{"command", "eval knn"},
                                         {"subject", subject.name},
                                         {"top1", top1},
                                         {"k", arguments.knn.k},
                                         {"vote", arguments.knn.vote == Vote::weighted ? "weighted" : "majority"},
                                         {"temperature", arguments.knn.temperature},
                                         {"classes", classes},
                                         {"train_images", train.labels.size()},
                                         {"test_images", test.labels.size()},
                                         {"seconds", seconds}};
    std::printf("%s\n", line.dump().c_str());
  }
  std::fflush(stdout);
}

}  // namespace

Command make_eval_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("eval", "Measure how good the features of a network are");
  app->require_subcommand(1);
  CLI::App* knn = app->add_subcommand("knn", "Top-1 accuracy of cosine k-nearest neighbours on frozen features");
  auto* run = knn->add_option("--run", arguments->run, "Run folder: its newest checkpoint");
  auto* checkpoint = knn->add_option("--checkpoint", arguments->checkpoint, "Checkpoint folder")->excludes(run);
  knn->add_option("--config", arguments->config, "Configuration that gives sizes where no checkpoint is named")
      ->excludes(run)
      ->excludes(checkpoint);
  auto* random = knn->add_flag("--random-weights", arguments->random_weights, "Baseline: the network before training");
  knn->add_flag("--raw-pixels", arguments->raw_pixels, "Baseline: no network, the pixels themselves")->excludes(random);
  knn->add_option("--train", arguments->train, "Packed data set with labels: the neighbours")->required();
  knn->add_option("--test", arguments->test, "Packed data set with labels: what is classified")->required();
  knn->add_option("--train-stride", arguments->train_stride, "Use every n-th train image")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  knn->add_option("--test-stride", arguments->test_stride, "Use every n-th test image")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  knn->add_option("--k", arguments->knn.k, "Neighbours")->check(CLI::PositiveNumber)->capture_default_str();
  knn->add_option("--temperature", arguments->knn.temperature, "Of the votes' weights")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  knn->add_option("--vote", arguments->knn.vote, "weighted (default): exp(similarity / temperature); majority")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Vote>{{"weighted", Vote::weighted}, {"majority", Vote::majority}}));
  knn->add_option("--watchdog", arguments->watchdog,
                  "End with code 124 when a rank shows no progress for six times these seconds; 0: never")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  knn->add_flag("--json", arguments->json, "Print one machine-readable line last");
  knn->footer(
      "Example:\n"
      "  mpirun -n 2 msn eval knn --run runs/cifar10 --train data/cifar10-train --test data/cifar10-test\n"
      "  msn eval knn --run runs/cifar10 --random-weights --train data/cifar10-train --test data/cifar10-test");
  knn->parse_complete_callback([arguments] {
    const bool baseline = arguments->random_weights || arguments->raw_pixels;
    if (arguments->run || arguments->checkpoint) return;
    if (!baseline) throw usage_error("nothing to evaluate: give --run DIR or --checkpoint DIR");
    if (!arguments->config) {
      throw usage_error(
          "the baselines need the model's sizes: give --run DIR, --checkpoint DIR or --config CONFIG.toml");
    }
  });
  return {app, [arguments](World& world) { run_knn(world, *arguments); }};
}

}  // namespace msn
