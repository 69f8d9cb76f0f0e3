// SPDX-License-Identifier: Apache-2.0
#include "commands/eval_knn.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "commands/eval_frame.hpp"
#include "evaluate/knn.hpp"

namespace msn {
namespace {

struct Arguments {
  EvalOptions eval;
  KnnOptions knn;
};

void run(const World& world, const Arguments& arguments) {
  EvalSession session(world, arguments.eval);
  const ClassificationTask& task = session.task();
  const KnnOptions& options = arguments.knn;
  world.agree([&] {  // Before features are made.
    for (const Split& split : task.splits)
      check_neighbours(split.rows.size(), options);
  });
  const at::Tensor train = session.train_features();
  const at::Tensor test = session.test_features();
  std::vector<std::vector<Predictions>> by_split;
  for (const Split& split : task.splits) {
    const KnnReference reference =
        knn_reference(split.rows_of(train), task.labels_of(split), static_cast<std::int64_t>(task.classes.size()));
    by_split.push_back(
        knn(world, reference, test, task.test.labels, options, session.threads(), [&] { session.touch(); }));
  }
  std::vector<EvalOutcome> outcomes;
  for (std::size_t i = 0; i < options.k.size(); ++i) {
    for (std::vector<Predictions>& predictions : by_split) {
      outcomes.push_back(
          {"k " + std::to_string(options.k[i]), {{"k", options.k[i]}}, std::move(predictions[i]), nullptr});
    }
  }
  nlohmann::ordered_json facts = {{"vote", options.vote == Vote::weighted ? "weighted" : "majority"}};
  if (options.vote == Vote::weighted) facts["temperature"] = options.temperature;
  report(session, "knn", facts, std::move(outcomes));
}

}  // namespace

Command make_eval_knn_command(CLI::App& parent) {
  const auto arguments = std::make_shared<Arguments>();
  CLI::App* app = parent.add_subcommand("knn", "Cosine k-nearest neighbours");
  add_eval_options(*app, arguments->eval, {.where = ClassToken::after_norm});
  app->add_option("--k", arguments->knn.k, "Neighbours; several numbers, with commas between them, in one pass")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 31))
      ->capture_default_str();
  app->add_option("--temperature", arguments->knn.temperature, "Of the votes' weights")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--vote", arguments->knn.vote, "weighted (default): exp(similarity / temperature); majority")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Vote>{{"weighted", Vote::weighted}, {"majority", Vote::majority}}))
      ->option_text("weighted|majority");
  app->footer(
      "Example:\n"
      "  mpirun -n 2 msn eval knn --run runs/cifar10 --train data/cifar10-train --test data/cifar10-test --k 5,10,20\n"
      "  msn eval knn --run runs/cifar10 --random-weights --train data/cifar10-train --test data/cifar10-test\n"
      "  msn eval knn --run runs/photos --train data/photos --test data/photos-test --labels lists/photos-5-*.csv");
  app->parse_complete_callback([arguments] { check_eval_options(arguments->eval, arguments->knn.k.size()); });
  return {app, [arguments](World& world) { run(world, *arguments); }};
}

}  // namespace msn
