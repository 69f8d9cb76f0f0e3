// SPDX-License-Identifier: Apache-2.0
#include "commands/eval_finetune.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/progress.hpp"
#include "comm/mpi_communicator.hpp"
#include "commands/eval_frame.hpp"
#include "evaluate/check_finite.hpp"
#include "evaluate/finetuning.hpp"
#include "evaluate/training_views.hpp"
#include "train/state.hpp"

namespace msn {
namespace {

struct Arguments {
  EvalOptions eval;
  FinetuneOptions finetune;
  double rand_augment = 9;
};

void check(const Arguments& arguments) {
  const EvalOptions& eval = arguments.eval;
  check_eval_options(eval, 1);
  if (eval.subject.raw_pixels) throw usage_error("there is no network to train", "--raw-pixels", "leave it out");
  if (!(eval.subject.tokens == TokenChoice{})) {
    throw usage_error("the whole network is trained, with its final norm", "--layer, --blocks, --final-norm",
                      "leave them out");
  }
  if (eval.cache) throw usage_error("the features change while the network is trained", "--cache", "leave it out");
  const FinetuneOptions& options = arguments.finetune;
  if (options.batch % 2 != 0) throw usage_error("images are mixed in pairs", "--batch", "give an even number");
  if (options.warmup_epochs >= options.epochs) {
    throw usage_error("the warm-up is as long as the training", "--warmup-epochs", "give fewer than --epochs");
  }
}

/// Scores of the network that was trained, as features of the evaluation view: [test images, classes].
at::Tensor test_scores(EvalSession& session, const Classifier& classifier) {
  FeatureMaker maker = session.subject().maker;
  maker.width = static_cast<std::int64_t>(session.task().classes.size());
  maker.identity.clear();
  maker.encode = [&](const at::Tensor& images) { return classifier.scores(images); };
  ExtractionOptions extraction;
  extraction.threads = session.threads();
  extraction.progress = [&](std::uint64_t, std::uint64_t) { session.touch(); };
  return extract_features(session.world(), session.task().test.images(), maker, extraction).values;
}

void run(const World& world, const Arguments& arguments) {
  EvalSession session(world, arguments.eval);
  const ClassificationTask& task = session.task();
  const Encoder& encoder = *session.subject().encoder;
  const FinetuneOptions& options = arguments.finetune;
  const auto classes = static_cast<int>(task.classes.size());

  Augmentation augmentation;
  augmentation.seed = options.seed;
  augmentation.rand_augment.magnitude = arguments.rand_augment;
  augmentation.rand_augment.operations = arguments.rand_augment > 0 ? RandAugment().operations : 0;
  ViewsConfig view_options = encoder.config().views;
  view_options.interpolation = Interpolation::bicubic;
  const TrainingViews views(*task.train.set, view_options, encoder.config().model.image_size, augmentation,
                            session.threads());
  const ImagesOf images = [&](std::uint64_t epoch, std::span<const std::uint64_t> samples) {
    session.touch();
    return views.make(epoch, samples);
  };
  MpiCommunicator communicator(world);
  std::vector<EvalOutcome> outcomes;
  for (const Split& split : task.splits) {
    std::optional<Progress> progress;
    if (world.rank() == 0) progress.emplace("fine-tuning", "epochs");
    double loss = 0;
    const Classifier classifier(encoder.parameters(), vit_shape(encoder.config().model), classes, options.seed);
    finetune(communicator, classifier, images, task.samples_of(split), classes, options,
             [&](const FinetuneProgress& now) {
               loss = now.loss;
               if (!progress) return;
               progress->update(static_cast<std::uint64_t>(now.epoch), static_cast<std::uint64_t>(options.epochs),
                                "loss " + std::to_string(now.loss));
             });
    const at::Tensor scores = test_scores(session, classifier);
    world.agree([&] { check_finite(scores, arguments.eval.task.test.string()); });
    outcomes.push_back(
        {"fine-tuned", nlohmann::ordered_json::object(), judge(scores, task.test.labels), {{"loss", loss}}});
  }
  communicator.shutdown();
  report(session, "finetune",
         {{"epochs", options.epochs},
          {"batch", options.batch},
          {"lr", options.lr},
          {"warmup_epochs", options.warmup_epochs},
          {"final_lr", options.final_lr},
          {"weight_decay", options.weight_decay},
          {"layer_decay", options.layer_decay},
          {"drop_path", options.drop_path},
          {"smoothing", options.smoothing},
          {"mixup", options.mix.mixup},
          {"cutmix", options.mix.cutmix},
          {"rand_augment", arguments.rand_augment},
          {"seed", options.seed}},
         std::move(outcomes));
}

}  // namespace

Command make_eval_finetune_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  FinetuneOptions& finetune = arguments->finetune;
  CLI::App* app = parent.add_subcommand("finetune", "All weights trained on labelled images");
  add_eval_options(*app, arguments->eval, {});
  const auto share = [&](const char* name, double& value, const char* text) {
    app->add_option(name, value, text)->check(CLI::Range(0.0, 1.0))->capture_default_str();
  };
  const auto not_negative = [&](const char* name, double& value, const char* text) {
    app->add_option(name, value, text)->check(CLI::NonNegativeNumber)->capture_default_str();
  };
  app->add_option("--epochs", finetune.epochs, "Times that each train image is seen")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--batch", finetune.batch, "Images of a step over all ranks, even; cut to the train images")
      ->check(CLI::Range(2, 1 << 24))
      ->capture_default_str();
  app->add_option("--lr", finetune.lr, "Peak learning rate of the last layer for a batch of 256, scaled with the batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  not_negative("--warmup-epochs", finetune.warmup_epochs, "The learning rate rises from 0 for so long");
  not_negative("--final-lr", finetune.final_lr, "Learning rate at the end");
  not_negative("--weight-decay", finetune.weight_decay, "Of matrices");
  app->add_option("--layer-decay", finetune.layer_decay, "Learning rate of a layer as a share of the one above")
      ->check(CLI::Range(1e-6, 1.0))
      ->capture_default_str();
  app->add_option("--drop-path", finetune.drop_path, "Stochastic depth of the last block; linear from 0")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  share("--smoothing", finetune.smoothing, "Share of each label that is spread over all classes");
  not_negative("--mixup", finetune.mix.mixup, "alpha of mixup; 0: off");
  not_negative("--cutmix", finetune.mix.cutmix, "alpha of cutmix; 0: off");
  app->add_option("--rand-augment", arguments->rand_augment, "Magnitude of RandAugment, to 10; 0: off")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
  app->add_option("--micro-batch", finetune.part,
                  "Images through the network at once on a rank, even: less memory, or more speed")
      ->check(CLI::Range(2, 1 << 16))
      ->capture_default_str();
  app->add_option("--seed", finetune.seed, "Of all that is random")->capture_default_str();
  app->footer(
      "Example:\n"
      "  mpirun -n 2 msn eval finetune --run runs/cifar10 --train data/cifar10-train --test data/cifar10-test --epochs "
      "20 "
      "--batch 256\n"
      "  msn eval finetune --run runs/photos --train data/photos --test data/photos-test --labels lists/photos-5-1.csv "
      "--epochs 50");
  app->parse_complete_callback([arguments] { check(*arguments); });
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
