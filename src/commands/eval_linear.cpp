// SPDX-License-Identifier: Apache-2.0
#include "commands/eval_linear.hpp"

#include <ATen/ops/from_blob.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.hpp"
#include "comm/mpi_communicator.hpp"
#include "commands/eval_frame.hpp"
#include "evaluate/check_finite.hpp"
#include "evaluate/linear_training.hpp"
#include "evaluate/view_features.hpp"

namespace msn {
namespace {

enum class Views { crops, centre };

const std::map<std::string, Views> kViews{{"crops", Views::crops}, {"centre", Views::centre}};
const std::map<std::string, NesterovRule> kRules{{"official", NesterovRule::official}, {"torch", NesterovRule::torch}};

struct Arguments {
  EvalOptions eval;
  LinearOptions linear;
  Views views = Views::crops;
};

/// Rows of features of task.train that are `rows` of a split, in that order.
std::vector<std::int64_t> rows_of_task(const Split& split, std::span<const std::uint64_t> rows) {
  std::vector<std::int64_t> of_task;
  of_task.reserve(rows.size());
  for (const std::uint64_t row : rows)
    of_task.push_back(split.rows[row]);
  return of_task;
}

at::Tensor select(const at::Tensor& features, std::vector<std::int64_t> rows) {
  return features.index_select(0, at::from_blob(rows.data(), {static_cast<std::int64_t>(rows.size())}, at::kLong));
}

std::vector<std::uint64_t> select(const std::vector<std::uint64_t>& samples, const std::vector<std::int64_t>& rows) {
  std::vector<std::uint64_t> selected;
  selected.reserve(rows.size());
  for (const std::int64_t row : rows)
    selected.push_back(samples[static_cast<std::size_t>(row)]);
  return selected;
}

void run(const World& world, const Arguments& arguments) {
  EvalSession session(world, arguments.eval);
  const ClassificationTask& task = session.task();
  const FeatureMaker& maker = session.subject().maker;
  const LinearOptions& options = arguments.linear;
  at::Tensor fixed;
  if (arguments.views == Views::centre) {
    fixed = session.train_features();
    world.agree([&] { check_finite(fixed, arguments.eval.task.train.string()); });
  }
  const at::Tensor test = session.test_features();
  world.agree([&] { check_finite(test, arguments.eval.task.test.string()); });

  Augmentation augmentation;
  augmentation.seed = options.seed;
  const TrainingViews views(*task.train.set, maker.config.views, maker.config.model.image_size, augmentation, 1);
  MpiCommunicator communicator(world);
  std::vector<EvalOutcome> outcomes;
  for (const Split& split : task.splits) {
    const FeaturesOf features = [&](std::uint64_t epoch, std::span<const std::uint64_t> rows) {
      session.touch();
      const std::vector<std::int64_t> of_task = rows_of_task(split, rows);
      if (fixed.defined()) return select(fixed, of_task);
      return view_features(views, maker, epoch, select(task.train.samples, of_task), session.threads(),
                           [&] { session.touch(); });
    };
    std::optional<Progress> progress;
    if (world.rank() == 0) progress.emplace("linear probe", "epochs");
    double loss = 0;
    const LinearProbe probe = train_linear_probe(
        communicator, features, maker.width, task.labels_of(split), static_cast<int>(task.classes.size()), options,
        [&](const LinearProgress& now) {
          loss = now.loss;
          if (!progress) return;
          progress->update(static_cast<std::uint64_t>(now.epoch), static_cast<std::uint64_t>(options.epochs),
                           "loss " + std::to_string(now.loss));
        });
    outcomes.push_back(
        {"linear", nlohmann::ordered_json::object(), judge(probe.scores(test), task.test.labels), {{"loss", loss}}});
  }
  communicator.shutdown();
  report(session, "linear",
         {{"epochs", options.epochs},
          {"batch", options.batch},
          {"lr", options.lr},
          {"momentum", options.momentum},
          {"weight_decay", options.weight_decay},
          {"rule", options.rule == NesterovRule::official ? "official" : "torch"},
          {"views", fixed.defined() ? "centre" : "crops"},
          {"seed", options.seed}},
         std::move(outcomes));
}

}  // namespace

Command make_eval_linear_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  LinearOptions& linear = arguments->linear;
  CLI::App* app = parent.add_subcommand("linear", "A linear layer trained on frozen features of augmented images");
  add_eval_options(*app, arguments->eval, {.where = ClassToken::before_norm});
  app->add_option("--epochs", linear.epochs, "Times that each train image is seen")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--batch", linear.batch, "Images of a step over all ranks; cut to the train images")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--lr", linear.lr, "First learning rate for a batch of 256, scaled with the batch; falls to 0")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--momentum", linear.momentum, "Nesterov's")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  app->add_option("--weight-decay", linear.weight_decay, "Of the linear layer's weights")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option(
         "--rule", linear.rule,
         "How momentum meets a falling rate. official (default): as MSN's evaluation; torch: as torch.optim.SGD")
      ->transform(CLI::CheckedTransformer(kRules))
      ->option_text("official|torch");
  app->add_option(
         "--views", arguments->views,
         "crops (default): a new random crop, flipped or not, in each epoch; centre: the evaluation view, whose "
         "features are made once")
      ->transform(CLI::CheckedTransformer(kViews))
      ->option_text("crops|centre");
  app->add_option("--seed", linear.seed, "Of the first weights, the order of images and the crops")
      ->capture_default_str();
  app->footer(
      "Example:\n"
      "  mpirun -n 2 msn eval linear --run runs/photos --train data/photos --test data/photos-test\n"
      "  msn eval linear --run runs/cifar10 --train data/cifar10-train --test data/cifar10-test --views centre --batch "
      "1024");
  app->parse_complete_callback([arguments] { check_eval_options(arguments->eval, 1); });
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
